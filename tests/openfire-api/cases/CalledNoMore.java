import java.util.Iterator;
import java.util.Set;
import org.jivesoftware.openfire.disco.DiscoInfoProvider;
import org.xmpp.forms.DataForm;
import org.xmpp.packet.JID;

/** Links everywhere, and since 4.8 nobody asks for the form: worth a note. */
class CalledNoMore implements DiscoInfoProvider {
    public Iterator<?> getIdentities(String name, String node, JID sender) {
        return null;
    }

    public Iterator<String> getFeatures(String name, String node, JID sender) {
        return null;
    }

    public DataForm getExtendedInfo(String name, String node, JID sender) {
        return null;
    }

    public Set<DataForm> getExtendedInfos(String name, String node, JID sender) {
        return null;
    }

    public boolean hasInfo(String name, String node, JID sender) {
        return true;
    }
}
