import org.jivesoftware.openfire.muc.MUCRoom;

class ImplementsWhatBecameClass {
    /** Abstract, so that only the kind of its parent matters. */
    abstract static class Room implements MUCRoom {}
}
