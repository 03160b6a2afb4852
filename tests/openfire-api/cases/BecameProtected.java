import org.jivesoftware.openfire.auth.AuthToken;

class BecameProtected {
    AuthToken token() {
        return new AuthToken("user");
    }
}
