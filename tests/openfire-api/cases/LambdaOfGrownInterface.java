import org.jivesoftware.openfire.ConnectionCloseListener;

class LambdaOfGrownInterface {
    ConnectionCloseListener listener() {
        return handback -> System.out.println(handback);
    }
}
