package org.cloudbridge.launcher;

import java.io.UnsupportedEncodingException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import org.jivesoftware.openfire.group.Group;
import org.jivesoftware.openfire.group.GroupManager;
import org.xmpp.packet.JID;

/**
 * What the admin console does to groups. Every word is URL-encoded, so that names may hold anything:
 *
 * <pre>
 * group create NAME
 * group describe NAME TEXT
 * group rename NAME NEW
 * group member|admin|leave NAME JID
 * group share NAME DISPLAY [everybody]   its members see each other in their rosters, or everybody sees them
 * group delete NAME
 * group list                   all, tab separated: NAME DESCRIPTION ADMINS MEMBERS, URL-encoded each, addresses by comma
 * </pre>
 */
final class GroupCommands {

    private GroupCommands() {
    }

    static String execute(String[] words) throws Exception {
        for (int i = 0; i < words.length; i++) {
            words[i] = URLDecoder.decode(words[i], "UTF-8");
        }
        GroupManager manager = GroupManager.getInstance();
        if (words[1].equals("list")) {
            return list(manager);
        }
        if (words[1].equals("create")) {
            manager.createGroup(words[2]);
            return "";
        }
        Group group = manager.getGroup(words[2]);
        switch (words[1]) {
            case "describe":
                group.setDescription(words[3]);
                return "";
            case "rename":
                group.setName(words[3]);
                return "";
            case "member":
                group.getMembers().add(new JID(words[3]));
                return "";
            case "admin":
                group.getAdmins().add(new JID(words[3]));
                return "";
            case "leave":
                group.getMembers().remove(new JID(words[3]));
                group.getAdmins().remove(new JID(words[3]));
                return "";
            case "share":
                group.getProperties().put("sharedRoster.displayName", words[3]);
                group.getProperties().put("sharedRoster.showInRoster", words.length > 4 ? words[4] : "onlyGroup");
                return "";
            case "delete":
                manager.deleteGroup(group);
                return "";
            default:
                throw new IllegalArgumentException("no such group command: " + words[1]);
        }
    }

    private static String list(GroupManager manager) throws Exception {
        List<String> lines = new ArrayList<>();
        for (Group group : manager.getGroups()) {
            String description = group.getDescription() == null ? "" : group.getDescription();
            lines.add(encode(group.getName()) + " " + encode(description) + " " + addresses(group.getAdmins()) + " " + addresses(group.getMembers()));
        }
        Collections.sort(lines);
        return String.join("\t", lines);
    }

    private static String addresses(Collection<JID> jids) throws UnsupportedEncodingException {
        List<String> found = new ArrayList<>();
        for (JID jid : jids) {
            found.add(jid.toBareJID());
        }
        Collections.sort(found);
        return encode(String.join(",", found));
    }

    private static String encode(String text) throws UnsupportedEncodingException {
        return text.isEmpty() ? "+" : URLEncoder.encode(text, "UTF-8");
    }
}
