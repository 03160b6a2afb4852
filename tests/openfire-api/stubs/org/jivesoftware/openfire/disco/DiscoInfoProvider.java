package org.jivesoftware.openfire.disco;

import java.util.Iterator;
import org.xmpp.forms.DataForm;
import org.xmpp.packet.JID;

/** Without getIdentities, which would need dom4j here. */
public interface DiscoInfoProvider {
    Iterator<String> getFeatures(String name, String node, JID sender);

    DataForm getExtendedInfo(String name, String node, JID sender);

    boolean hasInfo(String name, String node, JID sender);
}
