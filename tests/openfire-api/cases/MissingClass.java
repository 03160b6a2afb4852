import org.jivesoftware.openfire.muc.MUCRole;

class MissingClass {
    boolean is(Object role) {
        return role instanceof MUCRole;
    }
}
