import com.example.Elsewhere;

/** Nobody lists it, and the jar does not bring it along. */
class UnknownClass {
    Object make() {
        return new Elsewhere();
    }
}
