/*
 * Openfire's groups by the ids that the platform knows them by (GroupNames), and what of them is told: calls in the spelling that
 * links in every version.
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

import org.dom4j.Element;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.group.Group;
import org.jivesoftware.openfire.group.GroupManager;
import org.jivesoftware.openfire.group.GroupNotFoundException;
import org.xmpp.packet.JID;

/** Lookups in the real server's groups. */
final class OpenfireGroups {
    static final String NAMESPACE = "urn:cloudbridge:group:0";
    static final String ADMIN = "admin";
    static final String MEMBER = "member";
    static final String NONE = "none";
    private static final int OTHERS_MOST = 1000;
    private static final int LOOKS = 100;
    /** Names of groups that are being made for the platform, with their ids: Openfire tells of a group before anything of it can be set. */
    private static final Map<String, String> MAKING = new ConcurrentHashMap<>();

    private OpenfireGroups() {
    }

    static GroupManager manager() {
        return GroupManager.getInstance();
    }

    /** The id that a group has at the platform. */
    static String id(Group group) {
        String own = own(group);
        return own == null ? GroupNames.id(group.getName()) : own;
    }

    /** The id that its name does not say, or null. */
    private static String own(Group group) {
        String making = MAKING.get(group.getName());
        String own = making == null ? group.getProperties().get(GroupNames.ID) : making;
        return own == null || own.isEmpty() ? null : own;
    }

    /** The group of an id, or null. */
    static Group find(String id) {
        for (Group group : manager().search(GroupNames.ID, id)) {
            return group;
        }
        String name = GroupNames.name(id);
        if (name != null) {
            Group group = named(name);
            return group != null && id(group).equals(id) ? group : null;
        }
        // The name cannot be seen in it.
        for (Group group : manager().getGroups()) {
            if (id(group).equals(id)) {
                return group;
            }
        }
        return null;
    }

    static Group named(String name) {
        try {
            return manager().getGroup(name);
        } catch (GroupNotFoundException e) {
            return null;
        }
    }

    /** In whose contact lists a group is: its members', others' too, or nobody's. */
    static String shown(String name) {
        Group group = named(name);
        String shown = group == null ? null : group.getProperties().get("sharedRoster.showInRoster");
        if (shown == null || !shown.equals("onlyGroup") && !shown.equals("everybody")) {
            return "nobody";
        }
        String more = group.getProperties().get("sharedRoster.groupList");
        return shown.equals("onlyGroup") && (more == null || more.trim().isEmpty()) ? "members" : "others";
    }

    /** What makes a group whole. */
    interface Filling {
        void fill(Group group) throws Exception;
    }

    /**
     * A new group for an id; called like that, or by a short form where that is too long or taken. Until it is filled nothing of
     * it is told: what is seen in between is nobody's wish.
     */
    static Group create(String id, String name, Filling filling) throws Exception {
        String called = called(id, name);
        MAKING.put(called, id);
        try {
            Group group = manager().createGroup(called);
            if (!GroupNames.id(called).equals(id)) {
                group.getProperties().put(GroupNames.ID, id);
            }
            filling.fill(group);
            return group;
        } finally {
            MAKING.remove(called);
        }
    }

    static boolean isBeingMade(Group group) {
        return MAKING.containsKey(group.getName());
    }

    /** Dissolves it. Whoever reads it at the same time may put it back into Openfire's cache, where it would be found for hours. */
    static void delete(Group group) {
        manager().deleteGroup(group);
        for (int i = 0; i < LOOKS && isCached(group.getName()); i++) {
            Thread.yield();
        }
    }

    private static boolean isCached(String name) {
        try {
            manager().getGroup(name, true);
            return true;
        } catch (GroupNotFoundException e) {
            return false;
        }
    }

    /** What a group of this id is called in Openfire when it is called that at the platform. */
    static String called(String id, String name) {
        String fitting = GroupNames.fitting(name, GroupNames.NAME_MOST, id);
        Group there = named(fitting);
        return there == null || id(there).equals(id) ? fitting : GroupNames.shortened(name, GroupNames.NAME_MOST, id);
    }

    /** Gives a group that has come to this name an id of its own, if another group has had the name before it and kept the id. */
    static void keepApart(Group group) {
        if (own(group) != null) {
            return;
        }
        String id = GroupNames.id(group.getName());
        String free = id;
        for (int number = 2; isAnothers(free, group) && number < OTHERS_MOST; number++) {
            free = GroupNames.other(id, number);
        }
        if (!free.equals(id)) {
            group.getProperties().put(GroupNames.ID, free);
        }
    }

    private static boolean isAnothers(String id, Group group) {
        for (Group other : manager().search(GroupNames.ID, id)) {
            if (!other.getName().equals(group.getName())) {
                return true;
            }
        }
        return false;
    }

    /** Lets a renamed group keep the id that it had by its old name. */
    static void keepId(Group group, String oldName) {
        if (own(group) == null) {
            group.getProperties().put(GroupNames.ID, GroupNames.id(oldName));
        }
    }

    /** The role of somebody, read now. */
    static String role(Group group, JID user, String first) {
        boolean admin = group.getAdmins().contains(user);
        boolean member = group.getMembers().contains(user);
        if (admin && member) {
            return first; // One of both is about to go.
        }
        return admin ? ADMIN : member ? MEMBER : NONE;
    }

    /** Writes id, name and description. What is a short form of the platform's own is left out; it knows better. */
    static Element describe(Element parent, Group group) {
        String id = id(group);
        Element element = parent.addElement("group", NAMESPACE);
        element.addAttribute("id", id);
        if (!GroupNames.isShortened(group.getName(), id)) {
            element.addAttribute("name", group.getName());
        }
        String description = group.getDescription() == null ? "" : group.getDescription();
        if (!GroupNames.isShortened(description, id)) {
            element.addAttribute("description", description);
        }
        return element;
    }

    /** Writes everybody, administrators first. */
    static void members(Element element, Group group) {
        Collection<JID> admins = new ArrayList<>(group.getAdmins());
        for (JID admin : admins) {
            member(element, admin, ADMIN);
        }
        for (JID member : new ArrayList<>(group.getMembers())) {
            if (!admins.contains(member)) {
                member(element, member, MEMBER);
            }
        }
    }

    static void member(Element element, JID user, String role) {
        if (user.getNode() != null) {
            element.addElement("member", NAMESPACE).addAttribute("jid", user.toBareJID()).addAttribute("role", role);
        }
    }

    /** Openfire's groups by name, from behind this one. */
    static List<Group> after(String name, int limit) {
        NavigableMap<String, Group> all = new TreeMap<>();
        for (Group group : manager().getGroups()) {
            if (group.getName().compareTo(name) > 0) {
                all.put(group.getName(), group);
                if (all.size() > limit) {
                    all.pollLastEntry();
                }
            }
        }
        return new ArrayList<>(all.values());
    }

    /** Of another domain, or an account of this server. */
    static boolean canBeMember(JID user, UserVerbs.Accounts accounts) {
        return !XMPPServer.getInstance().isLocal(user) || user.getNode() != null && accounts.exists(user.getNode());
    }
}
