import java.net.URL;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.Locale;

import org.jivesoftware.smack.packet.ErrorIQ;
import org.jivesoftware.smack.packet.IQ;
import org.jivesoftware.smack.packet.Message;
import org.jivesoftware.smack.packet.Presence;
import org.jivesoftware.smack.packet.Session;
import org.jivesoftware.smack.packet.Stanza;
import org.jivesoftware.smack.packet.StanzaBuilder;
import org.jivesoftware.smack.packet.StanzaError;
import org.jivesoftware.smack.packet.Bind;
import org.jivesoftware.smack.roster.packet.RosterPacket;
import org.jivesoftware.smackx.address.packet.MultipleAddresses;
import org.jivesoftware.smackx.blocking.element.BlockContactsIQ;
import org.jivesoftware.smackx.blocking.element.BlockListIQ;
import org.jivesoftware.smackx.blocking.element.UnblockContactsIQ;
import org.jivesoftware.smackx.bookmarks.Bookmarks;
import org.jivesoftware.smackx.caps.packet.CapsExtension;
import org.jivesoftware.smackx.carbons.packet.CarbonExtension;
import org.jivesoftware.smackx.chat_markers.element.ChatMarkersElements;
import org.jivesoftware.smackx.chatstates.ChatState;
import org.jivesoftware.smackx.chatstates.packet.ChatStateExtension;
import org.jivesoftware.smackx.delay.packet.DelayInformation;
import org.jivesoftware.smackx.disco.packet.DiscoverInfo;
import org.jivesoftware.smackx.disco.packet.DiscoverItems;
import org.jivesoftware.smackx.eme.element.ExplicitMessageEncryptionElement;
import org.jivesoftware.smackx.forward.packet.Forwarded;
import org.jivesoftware.smackx.geoloc.packet.GeoLocation;
import org.jivesoftware.smackx.hints.element.NoStoreHint;
import org.jivesoftware.smackx.hints.element.StoreHint;
import org.jivesoftware.smackx.httpfileupload.element.SlotRequest;
import org.jivesoftware.smackx.iqlast.packet.LastActivity;
import org.jivesoftware.smackx.iqprivate.packet.PrivateDataIQ;
import org.jivesoftware.smackx.iqregister.packet.Registration;
import org.jivesoftware.smackx.iqversion.packet.Version;
import org.jivesoftware.smackx.json.packet.JsonPacketExtension;
import org.jivesoftware.smackx.mam.element.MamFinIQ;
import org.jivesoftware.smackx.mam.element.MamQueryIQ;
import org.jivesoftware.smackx.message_correct.element.MessageCorrectExtension;
import org.jivesoftware.smackx.mood.Mood;
import org.jivesoftware.smackx.mood.element.MoodElement;
import org.jivesoftware.smackx.muc.MUCAffiliation;
import org.jivesoftware.smackx.muc.MUCRole;
import org.jivesoftware.smackx.muc.packet.Destroy;
import org.jivesoftware.smackx.muc.packet.GroupChatInvitation;
import org.jivesoftware.smackx.muc.packet.MUCAdmin;
import org.jivesoftware.smackx.muc.packet.MUCInitialPresence;
import org.jivesoftware.smackx.muc.packet.MUCItem;
import org.jivesoftware.smackx.muc.packet.MUCOwner;
import org.jivesoftware.smackx.muc.packet.MUCUser;
import org.jivesoftware.smackx.nick.packet.Nick;
import org.jivesoftware.smackx.offline.packet.OfflineMessageRequest;
import org.jivesoftware.smackx.ping.packet.Ping;
import org.jivesoftware.smackx.privacy.packet.Privacy;
import org.jivesoftware.smackx.pubsub.AccessModel;
import org.jivesoftware.smackx.pubsub.Item;
import org.jivesoftware.smackx.pubsub.NodeExtension;
import org.jivesoftware.smackx.pubsub.PayloadItem;
import org.jivesoftware.smackx.pubsub.PubSubElementType;
import org.jivesoftware.smackx.pubsub.PublishItem;
import org.jivesoftware.smackx.pubsub.SimplePayload;
import org.jivesoftware.smackx.pubsub.SubscribeExtension;
import org.jivesoftware.smackx.pubsub.packet.PubSub;
import org.jivesoftware.smackx.receipts.DeliveryReceipt;
import org.jivesoftware.smackx.receipts.DeliveryReceiptRequest;
import org.jivesoftware.smackx.reference.element.ReferenceElement;
import org.jivesoftware.smackx.rsm.packet.RSMSet;
import org.jivesoftware.smackx.shim.packet.Header;
import org.jivesoftware.smackx.shim.packet.HeadersExtension;
import org.jivesoftware.smackx.sid.element.OriginIdElement;
import org.jivesoftware.smackx.sid.element.StanzaIdElement;
import org.jivesoftware.smackx.spoiler.element.SpoilerElement;
import org.jivesoftware.smackx.time.packet.Time;
import org.jivesoftware.smackx.vcardtemp.packet.VCard;
import org.jivesoftware.smackx.xdata.FormField;
import org.jivesoftware.smackx.xdata.packet.DataForm;
import org.jivesoftware.smackx.xhtmlim.packet.XHTMLExtension;
import org.jxmpp.jid.EntityBareJid;
import org.jxmpp.jid.Jid;
import org.jxmpp.jid.impl.JidCreate;
import org.jxmpp.jid.parts.Resourcepart;

/** Prints stanzas that Smack makes, as a case file. Fixed ids and times, so that two runs print the same. */
public final class Capture {
    private static final Date WHEN = new Date(1772350200123L);
    private static final Jid MEI = JidCreate.fromOrThrowUnchecked("mei@lotus.example/phone");
    private static final Jid TARIQ = JidCreate.fromOrThrowUnchecked("tariq@lotus.example");
    private static final EntityBareJid ROOM = JidCreate.entityBareFromOrThrowUnchecked("garden@rooms.lotus.example");
    private static int id;

    private Capture() {
    }

    private static void print(String title, Stanza stanza) {
        System.out.println("=? " + title);
        System.out.println(stanza.toXML().toString().replace("\n", "&#10;"));
    }

    private static org.jivesoftware.smack.packet.MessageBuilder message() {
        return StanzaBuilder.buildMessage("s" + ++id).from(MEI).to(TARIQ).ofType(Message.Type.chat);
    }

    private static org.jivesoftware.smack.packet.PresenceBuilder presence() {
        return StanzaBuilder.buildPresence("s" + ++id);
    }

    private static <I extends IQ> I iq(I iq, IQ.Type type) {
        iq.setStanzaId("s" + ++id);
        iq.setType(type);
        iq.setTo(TARIQ);
        return iq;
    }

    private static DataForm form() {
        return DataForm.builder(DataForm.Type.submit).setFormType("http://jabber.org/protocol/pubsub#publish-options")
            .addField(FormField.textSingleBuilder("pubsub#access_model").setValue("presence").build())
            .addField(FormField.booleanBuilder("pubsub#persist_items").setValue(true).build()).build();
    }

    public static void main(String[] arguments) throws Exception {
        System.out.println("# Made by Smack 4.4.8 (tests/stanza/capture/smack): not by hand.");
        org.jivesoftware.smack.SmackConfiguration.getVersion();
        print("a chat message", message().setBody("Where are you? <here> & \"there\"").build());
        print("bodies and subjects in languages", message().setBody("Hello").addBody("de", "Hallo").setSubject("Greeting").addSubject("fr", "Salut").setThread("t1").build());
        print("a thread with a parent", message().setBody("x").setThread("child", "parent").build());
        for (ChatState state : ChatState.values())
            print("chat state " + state, message().addExtension(new ChatStateExtension(state)).build());
        print("asks for a receipt", message().setBody("Got it?").addExtension(new DeliveryReceiptRequest()).build());
        print("a receipt", message().addExtension(new DeliveryReceipt("s1")).build());
        print("markable", message().setBody("Read it").addExtension(ChatMarkersElements.MarkableExtension.INSTANCE).build());
        print("displayed", message().addExtension(new ChatMarkersElements.DisplayedExtension("s1")).build());
        print("received marker", message().addExtension(new ChatMarkersElements.ReceivedExtension("s1")).build());
        print("acknowledged marker", message().addExtension(new ChatMarkersElements.AcknowledgedExtension("s1")).build());
        print("delayed", message().setBody("late").addExtension(new DelayInformation(WHEN, "lotus.example", "Offline Storage")).build());
        print("ids", message().setBody("x").addExtension(new OriginIdElement("o1")).addExtension(new StanzaIdElement("5f3d", "tariq@lotus.example")).build());
        print("a correction", message().setBody("nine").addExtension(new MessageCorrectExtension("s1")).build());
        print("hints", message().setBody("x").addExtension(StoreHint.INSTANCE).addExtension(NoStoreHint.INSTANCE).build());
        print("no carbon", message().setBody("x").addExtension(CarbonExtension.Private.INSTANCE).build());
        Message inner = message().setBody("inside").build();
        print("forwarded", message().setBody("look").addExtension(new Forwarded<>(inner, new DelayInformation(WHEN))).build());
        print("a carbon", message().addExtension(new CarbonExtension(CarbonExtension.Direction.sent, new Forwarded<>(inner))).build());
        print("how it is encrypted", message().setBody("?").addExtension(new ExplicitMessageEncryptionElement("eu.siacs.conversations.axolotl", "OMEMO")).build());
        print("a spoiler", message().setBody("they marry").addExtension(new SpoilerElement("en", "the end")).build());
        print("a mention", message().setBody("Tariq: hi").addExtension(new ReferenceElement(0, 5, ReferenceElement.Type.mention, null, new java.net.URI("xmpp:tariq@lotus.example"))).build());
        print("headers", message().setBody("x").addExtension(new HeadersExtension(Arrays.asList(new Header("Urgency", "high"), new Header("TTL", "30")))).build());
        print("JSON", message().addExtension(new JsonPacketExtension("{\"a\": [1, 2.50]}")).build());
        print("a nickname", message().setBody("x").addExtension(new Nick("M")).build());
        print("a mood", message().setBody("x").addExtension(new MoodElement(new MoodElement.MoodSubjectElement(Mood.amazed, null), "look!")).build());
        print("a place", message().setBody("here").addExtension(GeoLocation.builder().setLat(45.44).setLon(12.33).setAccuracy(20.0).setLocality("Venice").setCountryCode("IT").setTimestamp(WHEN).build()).build());
        XHTMLExtension xhtml = new XHTMLExtension();
        xhtml.addBody("<body xmlns='http://www.w3.org/1999/xhtml'><p>Wow, <em>really</em> <strong>green</strong>!</p></body>");
        print("formatted text", message().setBody("Wow").addExtension(xhtml).build());
        print("a direct invitation", message().addExtension(new GroupChatInvitation("garden@rooms.lotus.example")).build());
        MultipleAddresses addresses = new MultipleAddresses();
        // Without a description: Smack 4.4.8 writes that attribute twice, which is not XML.
        addresses.addAddress(MultipleAddresses.Type.to, TARIQ, null, null, false, null);
        addresses.addAddress(MultipleAddresses.Type.noreply, null, null, null, false, null);
        print("several recipients", message().setBody("x").addExtension(addresses).build());
        MUCUser invite = new MUCUser();
        invite.setInvite(new MUCUser.Invite("Come", JidCreate.entityBareFrom("wei@lotus.example")));
        print("a mediated invitation", StanzaBuilder.buildMessage("s" + ++id).to(ROOM).addExtension(invite).build());
        MUCUser decline = new MUCUser();
        decline.setDecline(new MUCUser.Decline("Work", JidCreate.entityBareFrom("wei@lotus.example")));
        print("a decline", StanzaBuilder.buildMessage("s" + ++id).to(ROOM).addExtension(decline).build());
        print("a room's subject", StanzaBuilder.buildMessage("s" + ++id).to(ROOM).ofType(Message.Type.groupchat).setSubject("Roses").build());
        print("an error", message().setBody("x").ofType(Message.Type.error).addExtension(StanzaError.getBuilder(StanzaError.Condition.gone).setConditionText("xmpp:a@b").setDescriptiveEnText("moved", null).setType(StanzaError.Type.CANCEL).build()).build());

        print("initial presence", presence().build());
        print("presence with everything", presence().setMode(Presence.Mode.dnd).setStatus("Exam").setPriority(-3).addExtension(new CapsExtension("https://client.example", "QgayPKaw=", "sha-1")).build());
        for (Presence.Type type : Presence.Type.values())
            print("presence " + type, presence().ofType(type).to(TARIQ).build());
        MUCInitialPresence join = new MUCInitialPresence("pass", 1000, 10, 60, WHEN);
        print("joins a room", presence().to(JidCreate.fullFrom(ROOM, Resourcepart.from("Mei"))).addExtension(join).build());
        MUCUser occupant = new MUCUser();
        occupant.setItem(new MUCItem(MUCAffiliation.owner, MUCRole.moderator, TARIQ, "reason", MEI, Resourcepart.from("Nick"), Resourcepart.from("Actor")));
        occupant.addStatusCode(MUCUser.Status.PRESENCE_TO_SELF_110);
        occupant.addStatusCode(MUCUser.Status.ROOM_CREATED_201);
        print("an occupant", presence().from(JidCreate.fullFrom(ROOM, Resourcepart.from("Mei"))).addExtension(occupant).build());

        print("ping", iq(new Ping(TARIQ), IQ.Type.get));
        print("session", iq(new Session(), IQ.Type.set));
        print("bind", iq(Bind.newSet(Resourcepart.from("phone")), IQ.Type.set));
        RosterPacket roster = iq(new RosterPacket(), IQ.Type.set);
        RosterPacket.Item contact = new RosterPacket.Item(JidCreate.entityBareFrom("wei@lotus.example"), "Wei");
        contact.addGroupName("Work");
        contact.addGroupName("Garden & more");
        contact.setItemType(RosterPacket.ItemType.both);
        roster.addRosterItem(contact);
        print("a roster item", roster);
        java.util.Map<String, String> account = new java.util.LinkedHashMap<>();
        account.put("username", "mei");
        account.put("password", "pw");
        print("registers", iq(new Registration(account), IQ.Type.set));
        print("cancels a registration", iq(new Registration(Collections.singletonMap("remove", "")), IQ.Type.set));
        print("version", iq(new Version("Lotus", "1", "Debian"), IQ.Type.result));
        print("time", iq(new Time(), IQ.Type.get));
        LastActivity last = iq(new LastActivity(), IQ.Type.result);
        last.setLastActivity(903);
        print("last activity", last);
        DiscoverInfo info = DiscoverInfo.builder("s" + ++id).ofType(IQ.Type.result).to(TARIQ)
            .addIdentity(new DiscoverInfo.Identity("client", "phone", "Lotus", "en")).addFeature("urn:xmpp:ping").addFeature("jabber:x:data").addExtension(form()).build();
        print("disco#info", info);
        DiscoverItems items = iq(new DiscoverItems(), IQ.Type.result);
        DiscoverItems.Item item = new DiscoverItems.Item(JidCreate.from("rooms.lotus.example"));
        item.setName("Rooms");
        item.setNode("n");
        items.addItem(item);
        print("disco#items", items);
        print("block", iq(new BlockContactsIQ(Arrays.asList(TARIQ, JidCreate.from("spam.example"))), IQ.Type.set));
        print("unblock all", iq(new UnblockContactsIQ(), IQ.Type.set));
        print("block list", iq(new BlockListIQ(Collections.singletonList(TARIQ)), IQ.Type.result));
        print("upload request", iq(new SlotRequest(JidCreate.domainBareFrom("upload.lotus.example"), "a b.jpg", 23456, "image/jpeg"), IQ.Type.get));
        MamQueryIQ mam = iq(new MamQueryIQ("q1", null, DataForm.builder(DataForm.Type.submit).setFormType("urn:xmpp:mam:2").build()), IQ.Type.set);
        mam.addExtension(new RSMSet(10, "before-id", RSMSet.PageDirection.before));
        print("archive query", mam);
        print("archive fin", iq(new MamFinIQ("q1", new RSMSet(null, "b", 20, 0, "a", 10, null, -1), true, false), IQ.Type.result));
        MUCAdmin admin = iq(new MUCAdmin(), IQ.Type.set);
        admin.addItem(new MUCItem(MUCAffiliation.member, TARIQ, "reason"));
        print("room admin", admin);
        MUCOwner owner = iq(new MUCOwner(), IQ.Type.set);
        owner.setDestroy(new Destroy(ROOM, "Winter"));
        print("destroys a room", owner);
        MUCOwner configuration = iq(new MUCOwner(), IQ.Type.set);
        configuration.addExtension(form());
        print("configures a room", configuration);
        VCard card = iq(new VCard(), IQ.Type.set);
        card.setFirstName("Mei");
        card.setLastName("Lin");
        card.setNickName("M");
        card.setEmailHome("mei@mail.example");
        card.setEmailWork("mei@work.example");
        card.setPhoneHome("VOICE", "1234");
        card.setAddressFieldHome("STREET", "1 Pond Lane");
        card.setOrganization("Lotus");
        card.setOrganizationUnit("Roses");
        card.setField("TITLE", "Gardener");
        card.setAvatar(new byte[] {1, 2, 3}, "image/png");
        print("a vCard", card);
        Privacy privacy = iq(new Privacy(), IQ.Type.set);
        privacy.setActiveName("private");
        print("privacy list", privacy);
        OfflineMessageRequest offline = iq(new OfflineMessageRequest(), IQ.Type.get);
        offline.setFetch(true);
        print("offline messages", offline);
        print("private storage", iq(new PrivateDataIQ(new Bookmarks()), IQ.Type.set));
        PubSub publish = iq(PubSub.createPubsubPacket(null, IQ.Type.set, new PublishItem<>("urn:lotus:bed", new PayloadItem<>("1", new SimplePayload("<bed xmlns='urn:lotus:bed' n='3'>rose</bed>")))), IQ.Type.set);
        print("publishes", publish);
        print("publishes a place", iq(PubSub.createPubsubPacket(null, IQ.Type.set, new PublishItem<>("http://jabber.org/protocol/geoloc", new PayloadItem<>(GeoLocation.builder().setLat(1.0E-5).setLon(-33.5).build()))), IQ.Type.set));
        print("retracts", iq(PubSub.createPubsubPacket(null, IQ.Type.set, new org.jivesoftware.smackx.pubsub.ItemsExtension(org.jivesoftware.smackx.pubsub.ItemsExtension.ItemsElementType.retract, "n", Collections.singletonList(new Item("1")))), IQ.Type.set));
        print("subscribes", iq(PubSub.createPubsubPacket(null, IQ.Type.set, new SubscribeExtension(TARIQ, "n")), IQ.Type.set));
        print("creates a node", iq(PubSub.createPubsubPacket(null, IQ.Type.set, new NodeExtension(PubSubElementType.CREATE, "n")), IQ.Type.set));
        print("an IQ error", IQ.createErrorResponse(iq(new Ping(TARIQ), IQ.Type.get), StanzaError.getBuilder(StanzaError.Condition.bad_request).setDescriptiveEnText("no", null).build()));
    }
}
