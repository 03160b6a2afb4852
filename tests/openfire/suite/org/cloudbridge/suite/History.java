package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jivesoftware.smack.packet.Message;
import org.jivesoftware.smackx.mam.MamManager.MamQuery;
import org.jivesoftware.smackx.mam.MamManager.MamQueryArgs;
import org.jivesoftware.smackx.mam.element.MamElements.MamResultExtension;
import org.jxmpp.jid.impl.JidCreate;

/** The history from the platform (XEP-0313), as Smack reads it. */
final class History {

    private static final String ARCHIVE = "urn:xmpp:mam:2";
    private static final String DISCO = "http://jabber.org/protocol/disco#info";
    private static final String QUERY = "<query xmlns='urn:xmpp:mam:2' queryid='f1'/>";

    private History() {
    }

    private static Server keeping(Stage stage, Stage.Remote remote) throws Exception {
        return Decide.patient(stage, remote, "juliet", "romeo").set("chat.history", "platform").up();
    }

    private static MamQueryArgs.Builder with(Server server, String user) throws Exception {
        return MamQueryArgs.builder().limitResultsToJid(JidCreate.from(server.jid(user)));
    }

    private static List<String> ids(List<Message> messages) {
        return messages.stream().map(Message::getStanzaId).collect(Collectors.toList());
    }

    private static List<String> archiveIds(MamQuery page) {
        return page.getMamResultExtensions().stream().map(MamResultExtension::getId).collect(Collectors.toList());
    }

    /** A whole conversation, forward from its beginning. */
    private static List<String> forward(Client client, MamQueryArgs args, int size) throws Exception {
        MamQuery query = client.archive().queryArchive(args);
        List<String> found = new ArrayList<>(ids(query.getMessages()));
        while (!query.isComplete()) {
            List<Message> page = query.pageNext(size);
            Check.that(page.size() <= size, "a page of " + page.size());
            found.addAll(ids(page));
        }
        return found;
    }

    @Scenario("both parties and every session of theirs read the same history: what was delivered and what was handed over")
    static void sameForBoth(Stage stage) throws Exception {
        Server server = keeping(stage, stage.remote());
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Check.that(juliet.archive().isSupported(), "the account announces its archive");
        Xml info = juliet.request("get", server.domain(), "<query xmlns='" + DISCO + "'/>");
        Check.that(info.toString().contains("[" + ARCHIVE + "]"), "the server announces it: " + info);
        Check.equal(List.of("FORM_TYPE", "with", "start", "end"), juliet.archive().retrieveFormFields().stream()
                .map(field -> field.getFieldName()).collect(Collectors.toList()), "the fields");
        List<String> sent = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            sent.add(juliet.chat(romeo.bareJid(), "there " + i));
            romeo.inbox.awaitId(sent.get(sent.size() - 1));
            sent.add(romeo.chat(juliet.fullJid(), "back " + i));
            juliet.inbox.awaitId(sent.get(sent.size() - 1));
        }
        juliet.send(romeo.bareJid(), "chat", "<body>not kept</body><no-store xmlns='urn:xmpp:hints'/>");
        romeo.inbox.awaitBody("not kept");
        romeo.disconnect();
        Await.until("romeo's session is gone", () -> server.command("sessions").equals("1"));
        for (int i = 0; i < 10; i++) {
            sent.add(juliet.chat(server.jid("romeo"), "away " + i));
        }
        Await.until("the platform keeps 10", () -> server.count("stored") >= 10);
        Check.equal(sent, forward(juliet, with(server, "romeo").build(), 100), "hers, while he is away");
        Client again = stage.loggedIn(server, "romeo", "tomb");
        Check.equal(sent, forward(again, with(server, "juliet").build(), 100), "his, before he has sent presence");
        again.available();
        again.inbox.awaitId(sent.get(sent.size() - 1));
        server.awaitSettled();
        Client second = stage.online(server, "juliet", "chamber");
        MamQuery hers = juliet.archive().queryArchive(with(server, "romeo").build());
        for (Client other : List.of(again, second)) {
            String user = other == again ? "juliet" : "romeo";
            MamQuery theirs = other.archive().queryArchive(with(server, user).build());
            Check.equal(sent, ids(theirs.getMessages()), "read by " + other.fullJid());
            Check.equal(archiveIds(hers), archiveIds(theirs), "ids of the archive, by " + other.fullJid());
            Check.that(theirs.isComplete(), "that is all");
        }
        for (MamResultExtension result : hers.getMamResultExtensions()) {
            Check.that(result.getForwarded().getDelayInformation().getStamp() != null, "it says when it was sent");
        }
    }

    @Scenario(value = "250 messages are read page by page, forward and backward, without a gap or a double", seconds = 240)
    static void pages(Stage stage) throws Exception {
        Server server = keeping(stage, stage.remote());
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        List<String> sent = new ArrayList<>();
        for (int i = 0; i < 250; i++) {
            sent.add(juliet.chat(romeo.bareJid(), "n" + i));
        }
        romeo.inbox.awaitId(sent.get(249));
        Check.equal(sent, forward(juliet, with(server, "romeo").setResultPageSize(30).build(), 30), "forward by 30");
        Check.equal(sent, forward(romeo, with(server, "juliet").build(), 100), "forward by as many as there come");
        MamQuery query = romeo.archive().queryArchive(with(server, "juliet").setResultPageSize(40).queryLastPage().build());
        List<String> found = new ArrayList<>(ids(query.getMessages()));
        Check.equal(sent.subList(210, 250), found, "the last page");
        while (!query.isComplete()) {
            found.addAll(0, ids(query.pagePrevious(40)));
        }
        Check.equal(sent, found, "backward by 40");
        MamQueryArgs unknown = with(server, "juliet").afterUid("no-such-id").build();
        try {
            romeo.archive().queryArchive(unknown);
            throw new AssertionError("an id that nobody gave out was taken");
        } catch (org.jivesoftware.smack.XMPPException.XMPPErrorException e) {
            Check.equal("item_not_found", e.getStanzaError().getCondition().name(), "the error");
        }
    }

    @Scenario("a dead platform: an error that says to try again; history off: as without the plugin")
    static void offIsAsWithout(Stage stage) throws Exception {
        Server plain = stage.openfire().users("juliet").start();
        String without = ask(stage, plain);
        Check.that(without.contains("service-unavailable"), "Openfire alone has no archive: " + without);
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo").up();
        Check.equal(without, ask(stage, server), "in decide mode, without history");
        server.change("chat.history", "platform");
        Await.until("the archive answers", () -> ask(stage, server).contains("type=[result]"));
        remote.proxy.fault(SlowProxy.Fault.RESET);
        String dead = ask(stage, server);
        Check.that(dead.contains("type=[wait]"), "the platform is not there: " + dead);
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.awaitReady();
        server.change("chat.history", "off");
        Await.until("history is off", () -> ask(stage, server).contains("service-unavailable"));
        Check.equal(without, ask(stage, server), "switched off again");
        server.change("chat.history", "platform");
        Await.until("the archive answers again", () -> ask(stage, server).contains("type=[result]"));
        server.change("chat.mode", "watch");
        Await.until("chat only watches", () -> ask(stage, server).contains("service-unavailable"));
        Check.equal(without, ask(stage, server), "below deciding");
    }

    /** The answers to a query, without and with the own address, and what the account announces, as text. */
    private static String ask(Stage stage, Server server) throws Exception {
        try (Client juliet = Client.loggedIn(server, "juliet", "asking")) {
            StringBuilder said = new StringBuilder();
            for (String to : List.of("", " to='" + juliet.bareJid() + "'")) {
                String id = "history" + said.length();
                juliet.raw("<iq id='" + id + "' type='set'" + to + ">" + QUERY + "</iq>");
                said.append(juliet.inbox.await("an answer", s -> s.name().equals("iq") && s.id().equals(id)).exact());
            }
            Xml info = juliet.request("get", juliet.bareJid(), "<query xmlns='" + DISCO + "'/>");
            return said.append(info.toString().contains("[" + ARCHIVE + "]")).toString();
        }
    }
}
