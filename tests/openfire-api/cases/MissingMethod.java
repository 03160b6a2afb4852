import org.jivesoftware.util.JiveGlobals;

class MissingMethod {
    String home() {
        return JiveGlobals.getHomeDirectory();
    }
}
