import org.jivesoftware.openfire.container.BasicModule;

/** Calls its superclass's method by its own name: the class file names InheritedMethod as the owner. */
class InheritedMethod extends BasicModule {
    InheritedMethod() {
        super("inherited");
    }

    @Override
    public void start() {
        super.start();
        stop();
        gone();
    }
}
