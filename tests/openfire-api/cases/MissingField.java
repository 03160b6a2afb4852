import org.jivesoftware.util.JiveConstants;

class MissingField {
    long minute() {
        return JiveConstants.MINUTE;
    }
}
