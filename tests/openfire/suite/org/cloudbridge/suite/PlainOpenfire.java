package org.cloudbridge.suite;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The test bed itself: Openfire as it is, without the plugin. What fails here is no fault of the product. */
final class PlainOpenfire {

    private PlainOpenfire() {
    }

    @Scenario("two ordinary clients log in over STARTTLS and chat; an offline message waits; nothing in the log")
    static void chat(Stage stage) throws Exception {
        Server server = stage.openfire().users("juliet", "romeo").start();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        juliet.chat(romeo.bareJid(), "O Romeo, Romeo \uD83C\uDF39 <&>");
        Xml message = romeo.inbox.awaitBody("O Romeo, Romeo \uD83C\uDF39 <&>");
        Check.equal(juliet.fullJid(), message.attribute("from"), "from whom it came");
        romeo.disconnect();
        juliet.chat(server.jid("romeo"), "wherefore art thou");
        juliet.ping();
        Check.equal(1, server.storedByOpenfire("romeo"), "messages in Openfire's offline store");
        Client again = stage.online(server, "romeo", "orchard");
        Check.that(again.inbox.awaitBody("wherefore art thou").isDelayed(), "an offline message is stamped");
    }

    @Scenario("a second start on the same home keeps users and data; a kill loses nothing that was stored")
    static void restarts(Stage stage) throws Exception {
        Server server = stage.openfire().users("juliet", "romeo").set("probe", "it's here").start();
        Client juliet = stage.online(server, "juliet", "balcony");
        juliet.chat(server.jid("romeo"), "kept");
        juliet.ping();
        server.kill();
        server.openfireProperty("second", "start").start();
        Check.equal("it's here", server.command("get plugin.cloudbridge.probe"), "a property of the first start");
        Check.equal("start", server.command("get second"), "a property of the second start");
        stage.online(server, "romeo", "orchard").inbox.awaitBody("kept");
        server.restart();
        stage.online(server, "romeo", "orchard");
    }

    @Scenario("only the client port and the console listen, both on the loopback address")
    static void listensOnLoopbackOnly(Stage stage) throws Exception {
        Server server = stage.openfire().users("juliet").start();
        List<String> elsewhere = new ArrayList<>();
        int listening = 0;
        for (String table : new String[] {"tcp", "tcp6"}) {
            List<String> inodes = socketsOf(server.pid());
            for (String line : Files.readAllLines(Path.of("/proc/" + server.pid() + "/net/" + table))) {
                String[] columns = line.trim().split("\\s+");
                if (columns[3].equals("0A") && inodes.contains("socket:[" + columns[9] + "]")) {
                    listening++;
                    String address = columns[1].split(":")[0];
                    if (!address.equals("0100007F") && !address.equals("0000000000000000FFFF00000100007F")) {
                        elsewhere.add(columns[1]);
                    }
                }
            }
        }
        Check.equal(List.of(), elsewhere, "addresses outside of loopback");
        Check.equal(2, listening, "listening sockets");
    }

    private static List<String> socketsOf(long pid) throws Exception {
        List<String> found = new ArrayList<>();
        try (var links = Files.newDirectoryStream(Path.of("/proc/" + pid + "/fd"))) {
            for (Path link : links) {
                try {
                    found.add(Files.readSymbolicLink(link).toString());
                } catch (java.io.IOException e) {
                    // Closed meanwhile.
                }
            }
        }
        return found;
    }

    @Scenario("message carbons, rosters, rooms and PEP leave no error in the log: the schema is complete")
    static void schemaIsComplete(Stage stage) throws Exception {
        Server server = stage.openfire().users("juliet", "romeo").start();
        Client juliet = stage.online(server, "juliet", "balcony");
        juliet.enableCarbons();
        Client chamber = stage.online(server, "juliet", "chamber");
        Client romeo = stage.online(server, "romeo", "orchard");
        chamber.chat(romeo.bareJid(), "copied");
        juliet.inbox.await("a sent carbon", stanza -> stanza.carbon("sent") != null);
        juliet.request("set", "", "<query xmlns='jabber:iq:roster'><item jid='" + romeo.bareJid()
                + "' name='R'><group>lovers</group></item></query>");
        juliet.request("get", "", "<query xmlns='jabber:iq:roster'/>");
        juliet.request("set", "", "<query xmlns='jabber:iq:private'><notes xmlns='x:notes'>n</notes></query>");
        juliet.request("set", "", "<vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard>");
        juliet.request("set", "", "<query xmlns='jabber:iq:privacy'><list name='none'>"
                + "<item action='allow' order='1'/></list></query>");
        juliet.request("set", "", "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:x:n'>"
                + "<item id='1'><geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>45.4</lat></geoloc></item>"
                + "</publish></pubsub>");
        String room = "hall@conference." + server.domain();
        juliet.raw("<presence to='" + room + "/j'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
        juliet.inbox.await("own presence in the room",
                stanza -> stanza.name().equals("presence") && stanza.attribute("from").equals(room + "/j"));
        juliet.request("set", room, "<query xmlns='http://jabber.org/protocol/muc#owner'>"
                + "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
                + "<value>http://jabber.org/protocol/muc#roomconfig</value></field>"
                + "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>");
        juliet.send(room, "groupchat", "<body>in the hall</body>");
        juliet.inbox.awaitBody("in the hall");
        juliet.request("set", room, "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member' jid='"
                + romeo.bareJid() + "' nick='r'/></query>");
        server.restart();
        String sql = new String(Files.readAllBytes(server.home().resolve("embedded-db/openfire.script")),
                StandardCharsets.UTF_8);
        for (String table : new String[] {"OFROSTER", "OFROSTERGROUPS", "OFVCARD", "OFPRIVATE", "OFPRIVACYLIST",
            "OFMUCROOM", "OFMUCAFFILIATION", "OFMUCMEMBER", "OFPUBSUBNODE"}) {
            Check.that(sql.contains("INSERT INTO " + table + " "), table + " holds something");
        }
    }
}
