/*
 * APPLY, groups: what the platform says of them becomes so in Openfire, by its group manager; shared rosters follow by Openfire's
 * own doing. A member who has no account here yet is no member in Openfire (its rosters could not bear it), but waits, and
 * becomes one when the account is made.
 *
 * What it leaves out: what the platform says when (the host); groups that are rooms.
 */
package org.cloudbridge.openfire;

import java.util.HashMap;
import java.util.Map;

import org.dom4j.DocumentFactory;
import org.dom4j.Element;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.event.UserEventListener;
import org.jivesoftware.openfire.group.Group;
import org.jivesoftware.openfire.group.GroupAlreadyExistsException;
import org.jivesoftware.openfire.user.User;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;

/** The verbs that change and read groups; one at a time, since Openfire writes a group in several steps. */
final class GroupVerbs implements Appliers.Area, UserEventListener {
    private static final Logger LOG = LoggerFactory.getLogger(GroupVerbs.class);
    private static final Delivery.Result ALREADY = new Delivery.Result(Frame.OUTCOME_OK, "already");
    private static final Delivery.Result WAITS = new Delivery.Result(Frame.OUTCOME_GONE, "no account");
    private static final int MEMBERS_FROM = 3;

    private final UserVerbs.Accounts accounts;
    private final GroupEvents events;
    /** Bare JIDs without an account: the groups that they are in, and their roles. */
    private final Map<String, Map<String, String>> waiting = new HashMap<>();

    GroupVerbs(UserVerbs.Accounts accounts, GroupEvents events) {
        this.accounts = accounts;
        this.events = events;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("group.put", MEMBERS_FROM, (thread, arguments) -> writing() ? put(arguments) : readOnly());
        table.verb("group.remove", 1, (thread, arguments) -> writing() ? remove(arguments[0]) : readOnly());
        table.verb("group.member", 3, (thread, arguments) -> writing() ? member(arguments[0], arguments[1], arguments[2]) : readOnly());
        table.verb("group.unmember", 2, (thread, arguments) -> writing() ? member(arguments[0], arguments[1], OpenfireGroups.NONE) : readOnly());
        table.verb("group.waiting", 1, (thread, arguments) -> waiting(arguments));
        table.verb("group.shown", 1, (thread, arguments) -> new Delivery.Result(Frame.OUTCOME_OK, OpenfireGroups.shown(arguments[0])));
        table.verb("read.groups", 2, (thread, arguments) -> read(arguments[0], Integer.parseInt(arguments[1])));
    }

    private static boolean writing() {
        return !OpenfireGroups.manager().isReadOnly();
    }

    private static Delivery.Result readOnly() {
        return new Delivery.Result(Frame.OUTCOME_FAILED, "Openfire's group provider is read-only");
    }

    private synchronized Delivery.Result put(String[] arguments) throws Exception {
        String id = arguments[0];
        String description = GroupNames.fitting(arguments[2], GroupNames.DESCRIPTION_MOST, id);
        Group group = OpenfireGroups.find(id);
        if (group == null) {
            return make(id, arguments[1], description, arguments);
        }
        String name = OpenfireGroups.called(id, arguments[1]);
        boolean changed = false;
        if (!name.equals(group.getName())) {
            if (!id.equals(group.getProperties().get(GroupNames.ID))) {
                group.getProperties().put(GroupNames.ID, id);
            }
            group.setName(name);
            changed = true;
        }
        String before = group.getDescription() == null ? "" : group.getDescription();
        if (!description.equals(before)) {
            group.setDescription(description);
            changed = true;
        }
        return changed ? Delivery.Result.OK : ALREADY;
    }

    private Delivery.Result make(String id, String name, String description, String[] arguments) throws Exception {
        try {
            events.made(OpenfireGroups.create(id, name, group -> {
                group.setDescription(description);
                for (int i = MEMBERS_FROM; i + 1 < arguments.length; i += 2) {
                    member(group, id, arguments[i], arguments[i + 1]);
                }
            }));
            return Delivery.Result.OK;
        } catch (GroupAlreadyExistsException e) {
            return new Delivery.Result(Frame.OUTCOME_FAILED, "a group of that name was made at the same time");
        }
    }

    private synchronized Delivery.Result remove(String id) {
        Group group = OpenfireGroups.find(id);
        for (Map<String, String> groups : waiting.values()) {
            groups.remove(id);
        }
        if (group == null) {
            return ALREADY;
        }
        OpenfireGroups.delete(group);
        return Delivery.Result.OK;
    }

    private synchronized Delivery.Result member(String id, String user, String role) {
        return member(null, id, user, role);
    }

    private Delivery.Result member(Group known, String id, String user, String role) {
        JID jid = new JID(user).asBareJID();
        boolean none = OpenfireGroups.NONE.equals(role);
        if (none) {
            forget(jid, id);
        } else if (!OpenfireGroups.canBeMember(jid, accounts)) {
            await(jid, id, role);
            return WAITS;
        }
        Group group = known == null ? OpenfireGroups.find(id) : known;
        if (group == null) {
            return none ? ALREADY : Delivery.Result.GONE;
        }
        if (OpenfireGroups.role(group, jid, OpenfireGroups.ADMIN).equals(role)) {
            return ALREADY;
        }
        if (none) {
            group.getAdmins().remove(jid);
            group.getMembers().remove(jid);
        } else if (OpenfireGroups.ADMIN.equals(role)) {
            group.getAdmins().add(jid);
        } else {
            group.getMembers().add(jid);
        }
        return Delivery.Result.OK;
    }

    /** Pairs of user and role behind the id: who of them has no account here, and waits for one. */
    private synchronized Delivery.Result waiting(String[] arguments) {
        Element list = DocumentFactory.getInstance().createElement("group", OpenfireGroups.NAMESPACE);
        for (int i = 1; i + 1 < arguments.length; i += 2) {
            JID jid = new JID(arguments[i]).asBareJID();
            if (!OpenfireGroups.canBeMember(jid, accounts)) {
                await(jid, arguments[0], arguments[i + 1]);
                OpenfireGroups.member(list, jid, arguments[i + 1]);
            }
        }
        return new Delivery.Result(Frame.OUTCOME_OK, Stanzas.text(list));
    }

    private void await(JID user, String id, String role) {
        waiting.computeIfAbsent(user.toString(), key -> new HashMap<>()).put(id, role);
    }

    private void forget(JID user, String id) {
        Map<String, String> groups = waiting.get(user.toString());
        if (groups != null && groups.remove(id) != null && groups.isEmpty()) {
            waiting.remove(user.toString());
        }
    }

    private static Delivery.Result read(String after, int limit) {
        Element groups = DocumentFactory.getInstance().createElement("groups", OpenfireGroups.NAMESPACE);
        for (Group group : OpenfireGroups.after(after, limit)) {
            Element element = OpenfireGroups.describe(groups, group);
            element.addAttribute("key", group.getName());
            OpenfireGroups.members(element, group);
        }
        return new Delivery.Result(Frame.OUTCOME_OK, Stanzas.text(groups));
    }

    @Override
    public void userCreated(User user, Map params) {
        try {
            JID jid = XMPPServer.getInstance().createJID(user.getUsername(), null);
            synchronized (this) {
                Map<String, String> groups = waiting.remove(jid.toString());
                if (groups != null && writing()) {
                    for (Map.Entry<String, String> group : groups.entrySet()) {
                        member(group.getKey(), jid.toString(), group.getValue());
                    }
                }
            }
        } catch (Throwable e) {
            LOG.warn("A new account could not be put into the groups that waited for it: {}", e.getClass().getName());
        }
    }

    @Override
    public void userDeleting(User user, Map params) {
        // Openfire takes it out of its groups.
    }

    @Override
    public void userModified(User user, Map params) {
        // Nothing that groups know of.
    }
}
