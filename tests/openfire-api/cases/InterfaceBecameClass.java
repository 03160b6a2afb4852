import org.jivesoftware.openfire.muc.MUCRoom;

class InterfaceBecameClass {
    String subject(MUCRoom room) {
        return room.getSubject();
    }
}
