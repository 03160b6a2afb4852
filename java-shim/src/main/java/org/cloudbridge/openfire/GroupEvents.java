/*
 * What happened to Openfire's groups, whoever did it, told to the host as a stanza of a namespace of ours (docs/boundary.md, Events);
 * what the bridge itself did is told as well, as it ended, like rosters and accounts (OpenfireEvents). Told is what is so when
 * it is told: two threads may have changed the same member, and whoever is told last has looked last.
 *
 * When a group is renamed it keeps its id, and says so in a property of its own from then on; that is the one thing that is
 * written here, and only while the module tells at all.
 *
 * What it leaves out: properties of groups (how rosters are shared is Openfire's own).
 */
package org.cloudbridge.openfire;

import java.util.Map;

import org.dom4j.DocumentFactory;
import org.dom4j.Element;
import org.jivesoftware.openfire.event.GroupEventListener;
import org.jivesoftware.openfire.group.Group;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;

/** Group events to offers. The interface is the same in all versions. */
final class GroupEvents implements GroupEventListener {
    private static final Logger LOG = LoggerFactory.getLogger(GroupEvents.class);

    private final Offers offers;
    private final RareLog rareLog = new RareLog(LOG);
    private final Object order = new Object();
    private volatile FilterTable filter = FilterTable.NOTHING;

    GroupEvents(Offers offers) {
        this.offers = offers;
    }

    void filter(FilterTable table) {
        filter = table;
    }

    /** What is told of a group. */
    private interface Telling {
        void write(Element iq);
    }

    @Override
    public void groupCreated(Group group, Map params) {
        if (wanted(group)) {
            tell(iq -> {
                OpenfireGroups.keepApart(group);
                OpenfireGroups.members(OpenfireGroups.describe(iq, group), group);
            });
        }
    }

    /** A group that was made for the platform is whole now. */
    void made(Group group) {
        groupCreated(group, null);
    }

    @Override
    public void groupDeleting(Group group, Map params) {
        if (wanted(group)) {
            tell(iq -> {
                Element element = iq.addElement("group", OpenfireGroups.NAMESPACE);
                element.addAttribute("id", OpenfireGroups.id(group));
                element.addElement("removed", OpenfireGroups.NAMESPACE);
            });
        }
    }

    @Override
    public void groupModified(Group group, Map params) {
        Object what = params == null ? null : params.get("type");
        boolean renamed = "nameModified".equals(what);
        if ((renamed || "descriptionModified".equals(what)) && wanted(group)) {
            tell(iq -> {
                Object before = params.get("originalValue");
                if (renamed && before != null) {
                    OpenfireGroups.keepId(group, String.valueOf(before));
                }
                OpenfireGroups.describe(iq, group);
            });
        }
    }

    @Override
    public void memberAdded(Group group, Map params) {
        member(group, params, OpenfireGroups.MEMBER);
    }

    @Override
    public void memberRemoved(Group group, Map params) {
        if (params != null && params.get(OpenfireGroups.ADMIN) == null) {
            member(group, params, OpenfireGroups.MEMBER);
        } // Else the member becomes an administrator, which comes next.
    }

    @Override
    public void adminAdded(Group group, Map params) {
        member(group, params, OpenfireGroups.ADMIN);
    }

    @Override
    public void adminRemoved(Group group, Map params) {
        if (params != null && params.get(OpenfireGroups.MEMBER) == null) {
            member(group, params, OpenfireGroups.ADMIN);
        } // Else the administrator becomes a member, which comes next.
    }

    private void member(Group group, Map params, String role) {
        Object user = params == null ? null : params.get(role);
        if (user == null || !wanted(group)) {
            return;
        }
        tell(iq -> {
            JID jid = new JID(String.valueOf(user));
            Element element = iq.addElement("group", OpenfireGroups.NAMESPACE);
            element.addAttribute("id", OpenfireGroups.id(group));
            OpenfireGroups.member(element, jid, OpenfireGroups.role(group, jid, role));
        });
    }

    private boolean wanted(Group group) {
        return filter.wanted("event", "group", "*") != null && !OpenfireGroups.isBeingMade(group);
    }

    private void tell(Telling telling) {
        try {
            synchronized (order) {
                Element iq = DocumentFactory.getInstance().createElement("iq");
                iq.addAttribute("type", "set");
                telling.write(iq);
                offers.show(iq, Frame.FLAG_EVENT);
            }
        } catch (Throwable e) {
            if (!(e instanceof HostException && ((HostException) e).code() == HostException.CLOSED)) {
                rareLog.warn("A change of a group could not be told to the host: " + e.getClass().getName());
            }
        }
    }
}
