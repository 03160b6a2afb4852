package org.cloudbridge.suite;

import java.nio.file.Files;
import java.nio.file.Path;

/** Modules of an admin's own: folders that point at somebody else's backend. */
final class Backends {

    private static final String TICKET = "urn:example:ticket:0";

    private Backends() {
    }

    private static void awaitAvailable(Server server, int count) throws Exception {
        Await.until(count + " sessions are known", () -> server.status().get("modules", "state", "available").number() == count);
    }

    @Scenario("login, messages and contact lists by folders against a strict backend, and an eighth function that only its folder knows")
    static void strict(Stage stage) throws Exception {
        Backend backend = stage.backend(Backend.Kind.STRICT);
        Server server = backend.serve(stage.bridge("romeo").openfireProperty("xmpp.client.tls.policy", "required"),
                "user", "chat", "friend", "ticket").start();
        Backend.awaitInForce(server, "user", "chat", "friend", "ticket");
        backend.control("account", "{\"name\":\"nurse\",\"secret\":\"" + Server.password("nurse") + "\"}");
        // Who is the backend's logs in by the mechanism that is offered; whom it does not know is Openfire's.
        Check.equal("not-authorized", Logins.tryLogin(server, "nurse", "wrong", "PLAIN"), "a wrong password");
        Client nurse = stage.online(server, "nurse", "house");
        Check.equal("true", server.command("exists nurse"), "the nurse has an account in Openfire");
        Check.that(backend.state().get("tokens").number() >= 1, "the backend gave a token");
        Client romeo = stage.online(server, "romeo", "orchard");
        awaitAvailable(server, 2);
        // Messages: delivered, answered later, refused inside a 200, kept and handed over with their time.
        nurse.inbox.awaitId(romeo.chat(nurse.bareJid(), "at once"));
        nurse.inbox.awaitId(romeo.chat(nurse.bareJid(), "answered later"));
        String refused = romeo.chat(nurse.bareJid(), "forbidden");
        Xml error = romeo.inbox.await("an error", s -> s.id().equals(refused) && "error".equals(s.attribute("type")));
        Check.that(error.toString().contains("policy-violation"), "the backend's word: " + error);
        nurse.disconnect();
        awaitAvailable(server, 1);
        String[] kept = new String[5];
        for (int i = 0; i < kept.length; i++) {
            kept[i] = romeo.chat(server.jid("nurse"), "while you were away " + i);
        }
        Await.until("all are kept by the backend", () -> backend.state().get("letters").number() == kept.length);
        Check.equal(0, server.storedByOpenfire("nurse"), "messages in Openfire's own store");
        Client back = stage.online(server, "nurse", "garden");
        for (String id : kept) {
            Check.that(back.inbox.awaitId(id).isDelayed(), "a message that was kept has its time");
        }
        Await.until("nothing is kept any more", () -> backend.state().get("letters").number() == 0);
        // Contact lists, both ways.
        back.request("set", "", Lists.set(romeo.bareJid(), "Romeo", "Montagues"));
        Check.equal("Romeo", backend.state().get("books", back.bareJid(), romeo.bareJid(), "name").text(), "in the backend's book");
        backend.control("news", "{\"kind\":\"friend\",\"owner\":\"nurse\",\"contact\":\"peter@" + server.domain()
                + "\",\"name\":\"Peter\",\"groups\":[\"Servants\"]}");
        Await.until("it is in the list in Openfire",
                () -> "Peter|both||[Servants]".equals(Lists.atOpenfire(back).get("peter@" + server.domain())));
        // The eighth: announced, answered now or later, and told by the backend itself.
        Xml features = back.request("get", server.domain(), "<query xmlns='http://jabber.org/protocol/disco#info'/>");
        Check.that(features.toString().contains(TICKET), "it is announced: " + features);
        Xml opened = back.request("set", server.domain(), "<open xmlns='" + TICKET + "'><subject>The lamp &amp; the stairs</subject></open>");
        Check.that(opened.toString().contains("T-1"), "the number: " + opened);
        Xml shown = back.request("get", "", "<show xmlns='" + TICKET + "' number='T-1'/>");
        Check.equal("The lamp & the stairs", shown.child(TICKET, "ticket").child(TICKET, "subject").text(), "the subject in " + shown);
        Xml foreign = romeo.answer("get", "", "<show xmlns='" + TICKET + "' number='T-1'/>");
        Check.that(foreign.toString().contains("forbidden"), "somebody else's: " + foreign);
        backend.control("ticket", "{\"number\":\"T-1\",\"state\":\"closed\"}");
        back.inbox.await("the news", s -> s.name().equals("message") && s.toString().contains("Ticket T-1 is closed."));
        // Registration is tested without Openfire (tests/flow).
        Check.that(server.platform() == null, "no platform was needed");
        String everything = server.status() + server.log() + server.page("").body();
        Check.that(!everything.contains(Backend.KEY), "the key is shown nowhere");
    }

    @Scenario("a folder comes, is broken, is repaired and goes while the server runs; the others work on; the page says what is wrong")
    static void live(Stage stage) throws Exception {
        Backend backend = stage.backend(Backend.Kind.STRICT);
        Server server = backend.serve(stage.bridge("romeo", "juliet"), "chat").start();
        Backend.awaitInForce(server, "chat");
        Client romeo = stage.online(server, "romeo", "orchard");
        Client juliet = stage.online(server, "juliet", "balcony");
        awaitAvailable(server, 2);
        String list = "<list xmlns='" + TICKET + "'/>";
        Check.that(romeo.answer("get", "", list).toString().contains("service-unavailable"), "nobody serves tickets yet");
        server.change("ticket.mode", "decide");
        server.change("ticket.url", backend.url());
        server.change("ticket.key.password", Backend.KEY);
        backend.install(server, "ticket");
        Backend.awaitInForce(server, "ticket");
        romeo.request("get", "", list);
        Path manifest = Backend.folder(server, "ticket").resolve("module.json");
        String good = Files.readString(manifest);
        Files.writeString(manifest, good.replaceFirst("\"claim\"", "\"clam\""));
        String wrong = "at rows[0].does: unknown variant `clam`";
        Await.until("it is said what is wrong", () -> {
            Json.Value refused = server.status().get("folders", "modules", "ticket", "refused");
            return refused.present() && refused.text().contains(wrong);
        });
        Check.that(server.page("").body().contains("clam"), "on the page as well");
        Await.until("and in the log", () -> server.log().contains("module.json: " + wrong));
        romeo.request("get", "", list);
        juliet.inbox.awaitId(romeo.chat(juliet.bareJid(), "the other folder works on"));
        Files.writeString(manifest, good.replaceFirst("\"version\": \"1\"", "\"version\": \"2\""));
        Await.until("the repaired one is in force",
                () -> server.status().get("folders", "modules", "ticket", "version").text().equals("2"));
        romeo.request("get", "", list);
        Files.delete(manifest);
        Files.delete(manifest.getParent());
        Await.until("it has gone", () -> !server.status().get("folders", "modules", "ticket").present());
        Await.until("and nobody serves tickets", () -> romeo.answer("get", "", list).toString().contains("service-unavailable"));
    }

    @Scenario("json-server from npm keeps messages for people who are away, notes changes of lists, finds people, and what is put into its outbox arrives")
    static void jsonServer(Stage stage) throws Exception {
        Backend backend = stage.backend(Backend.Kind.JSON_SERVER);
        Server server = backend.serve(stage.bridge("romeo", "juliet"), "chat", "friend").start();
        Backend.awaitInForce(server, "chat", "friend");
        Client romeo = stage.online(server, "romeo", "orchard");
        awaitAvailable(server, 1);
        String juliet = server.jid("juliet");
        String[] kept = {romeo.chat(juliet, "one"), romeo.chat(juliet, "two"), romeo.chat(juliet, "three")};
        Await.until("json-server has them", () -> backend.get("/messages?here=false").list().size() == kept.length);
        Client back = stage.online(server, "juliet", "balcony");
        for (String id : kept) {
            back.inbox.awaitId(id);
        }
        Await.until("they are deleted there", () -> backend.get("/messages?here=false").list().isEmpty());
        back.inbox.awaitId(romeo.chat(juliet, "you are here"));
        romeo.request("set", "", Lists.set(juliet, "Juliet"));
        Await.until("the change is noted", () -> !backend.get("/contact_changes?contact=" + juliet).list().isEmpty());
        Xml found = romeo.request("set", "find." + server.domain(), "<query xmlns='jabber:iq:search'><nick>capulet</nick></query>");
        Check.that(found.toString().contains(juliet), "found: " + found);
        for (int i = 1; i <= 3; i++) {
            Check.equal(201, backend.ask("POST", "/outbox", "{\"to\":\"" + juliet + "\",\"text\":\"news " + i + "\"}").statusCode(), "put");
            String text = "news " + i;
            back.inbox.await(text, s -> s.name().equals("message") && s.toString().contains(text));
        }
    }
}
