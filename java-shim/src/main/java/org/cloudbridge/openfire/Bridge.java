/*
 * The running bridge: what has to be there, in which order it starts, and how it is undone. Every registration with
 * Openfire is pushed onto one list together with its undoing, so that a start that fails half-way and an ordinary stop
 * take the same way back, each step in its own try.
 *
 * What it leaves out: what the parts do; and what Openfire sees of a plugin (CloudBridgePlugin).
 */
package org.cloudbridge.openfire;

import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.Map;

import org.jivesoftware.openfire.OfflineMessageStrategy;
import org.jivesoftware.openfire.SessionManager;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.admin.AdminManager;
import org.jivesoftware.openfire.cluster.ClusterManager;
import org.jivesoftware.openfire.event.GroupEventDispatcher;
import org.jivesoftware.openfire.event.SessionEventDispatcher;
import org.jivesoftware.openfire.event.UserEventDispatcher;
import org.jivesoftware.openfire.interceptor.InterceptorManager;
import org.jivesoftware.openfire.muc.MUCEventDispatcher;
import org.jivesoftware.openfire.roster.RosterEventDispatcher;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.user.PresenceEventDispatcher;
import org.jivesoftware.openfire.user.UserManager;
import org.jivesoftware.openfire.user.UserNotFoundException;
import org.jivesoftware.util.PropertyEventDispatcher;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;

/** One start of the host with everything around it. */
final class Bridge {
    private static final Logger LOG = LoggerFactory.getLogger(Bridge.class);
    private static final int LEAST_PUMPS = 4;
    private static final int MOST_PUMPS = 32;
    private static final int DEFAULT_DRAIN_MILLIS = 5000;
    private static final int JOIN_MILLIS = 5000;

    /** A step back. */
    private interface Undo {
        void run() throws Exception;
    }

    private static final class Step {
        final String what;
        final Undo undo;

        Step(String what, Undo undo) {
            this.what = what;
            this.undo = undo;
        }
    }

    private final Deque<Step> steps = new ArrayDeque<>();
    private HostCalls host;
    private boolean stopped;

    private Bridge() {
    }

    /** Starts everything or nothing. */
    static Bridge start(Path home, Path pluginDir, String pluginVersion) throws Exception {
        Bridge bridge = new Bridge();
        try {
            bridge.begin(home, pluginDir, pluginVersion);
            return bridge;
        } catch (Throwable e) {
            bridge.stop();
            throw e;
        }
    }

    /** The host, for the page. */
    HostCalls host() {
        return host;
    }

    private void begin(Path home, Path pluginDir, String pluginVersion) throws Exception {
        XMPPServer server = XMPPServer.getInstance();
        final String domain = server.getServerInfo().getXMPPDomain();
        Map<String, String> settings = Settings.all();
        settings.put(Settings.CLUSTERED, String.valueOf(ClusterManager.isClusteringStarted()));
        settings.put(Settings.SENIOR, String.valueOf(isSenior()));
        settings.putAll(LoginSafety.now());

        String moved = settings.get(Settings.DATA_DIR);
        Path dataDir = moved == null || moved.trim().isEmpty() ? home.resolve("cloudbridge") : Paths.get(moved.trim());
        NativeFiles files = new NativeFiles(pluginDir, dataDir);
        files.makeDataDir();
        files.loadLibrary();
        String platform = files.unpackPlatform();

        final HostCalls started = new HostCalls.Native(
            startFrame(server, domain, home.toAbsolutePath().toString(), pluginVersion, platform, settings));
        host = started;

        StanzaWriter.Pool writers = new StanzaWriter.Pool();
        final Held held = new Held();
        undo("the held packets", held::letGo);
        final Offers offers = new Offers(started, held, writers);
        final SessionWatch watch = new SessionWatch(started);
        final OfflineWatch offline = new OfflineWatch(started, writers);
        Delivery.Sessions sessions = sessions();
        final OpenfireRooms rooms = new OpenfireRooms(server);
        final RoomWatch roomWatch = new RoomWatch(domain, started, offers, rooms);
        final RoomFanOut fanOut = new RoomFanOut();
        roomWatch.tells(fanOut);
        final RoomSpeech speech = new RoomSpeech(offers, server.getPacketRouter(), sessions, rooms, roomWatch, rooms, fanOut);
        final RoomGate roomGate = new RoomGate(domain, offers, server.getPacketRouter(), sessions, rooms, roomWatch, roomWatch);
        final RoomHand hand = new RoomHand(domain, server.getPacketRouter(), rooms, rooms, roomWatch, speech,
            OpenfireServer.rooms(server));
        final RoomJoins joins = new RoomJoins(domain, rooms, roomWatch, rooms, fanOut);
        final MessageGate gate = new MessageGate(domain, offers, people(watch, sessions), speech);
        UserVerbs.Accounts accounts = OpenfirePeople.accounts();
        final IqGate iqs = new IqGate(OpenfireServer.handlers(server), sessions, offers, OpenfireServer.rosterState(server), accounts::exists);
        final PresenceGate presences = new PresenceGate(domain, offers, server.getPacketRouter(), sessions);
        final OpenfireEvents events = new OpenfireEvents(domain, offers);
        final GroupEvents groupEvents = new GroupEvents(offers);
        final GroupVerbs groups = new GroupVerbs(accounts, groupEvents);
        final ShownStates states = new ShownStates(server.getPacketRouter(), OpenfirePeople.rosters(server));
        final Login login = new Login(new Login.FactorySlot(), domain, started,
            node -> AdminManager.getInstance().isUserAdmin(node, true), accounts);
        final Components components = new Components(OpenfireServer.components(domain), domain, offers, sessions);
        final EffectPump.FilterSink filters = inTurn(table -> watch.wanted(table.sessions), gate::filter, iqs::filter, presences::filter,
            states::filter, events::filter, groupEvents::filter,
            table -> login.wanted(table.login, table.named("login").contains("plain")), components::filter, roomWatch::filter,
            roomGate::filter, joins::filter, hand::filter);
        Delivery delivery = new Delivery(domain, server.getPacketRouter(), sessions, watch, offline);
        final EffectPump pump = new EffectPump(started, held, delivery, watch, filters, appliers(server, accounts, login, states, groups, writers,
            new RoomVerbs(speech, fanOut, roomWatch), hand), LEAST_PUMPS, MOST_PUMPS);

        // The gate comes last: when the first packet is looked at, everything that may have to let it go is there.
        OfflineMessageStrategy.addListener(offline);
        undo("the offline listener", () -> OfflineMessageStrategy.removeListener(offline));
        InterceptorManager.getInstance().addInterceptor(offline);
        undo("the offline interceptor", () -> InterceptorManager.getInstance().removeInterceptor(offline));
        SessionEventDispatcher.addListener(watch);
        undo("the session listener", () -> SessionEventDispatcher.removeListener(watch));
        PresenceEventDispatcher.addListener(watch);
        undo("the presence listener", () -> PresenceEventDispatcher.removeListener(watch));
        PresenceEventDispatcher.addListener(states);
        undo("the shown states", () -> PresenceEventDispatcher.removeListener(states));
        RosterEventDispatcher.addListener(events);
        undo("the roster listener", () -> RosterEventDispatcher.removeListener(events));
        UserEventDispatcher.addListener(events);
        undo("the account listener", () -> UserEventDispatcher.removeListener(events));
        GroupEventDispatcher.addListener(groupEvents);
        undo("the group listener", () -> GroupEventDispatcher.removeListener(groupEvents));
        UserEventDispatcher.addListener(groups);
        undo("who waits for an account", () -> UserEventDispatcher.removeListener(groups));
        MUCEventDispatcher.addListener(roomWatch);
        undo("the room listener", () -> MUCEventDispatcher.removeListener(roomWatch));
        SessionEventDispatcher.addListener(roomWatch);
        undo("the session listener of rooms", () -> SessionEventDispatcher.removeListener(roomWatch));
        InterceptorManager.getInstance().addInterceptor(fanOut);
        undo("the interceptor of what rooms send", () -> InterceptorManager.getInstance().removeInterceptor(fanOut));
        watch.learn();
        roomWatch.learn();
        undo("the IQ handlers", () -> iqs.filter(FilterTable.NOTHING));
        undo("the address that acts on rooms", () -> hand.filter(FilterTable.NOTHING));
        undo("the components", () -> components.filter(FilterTable.NOTHING));
        undo("the login", () -> login.wanted(false, false));
        filters.filter(FilterTable.read(started.describe("filter")));
        undo("the pump", () -> pump.join(JOIN_MILLIS));
        pump.start();
        final ClusterWatch cluster = new ClusterWatch(started, Bridge::isSenior);
        ClusterManager.addListener(cluster);
        undo("the cluster listener", () -> ClusterManager.removeListener(cluster));
        final LoginSafety safety = new LoginSafety(started);
        PropertyEventDispatcher.addListener(safety);
        undo("the listener for what logins need", () -> PropertyEventDispatcher.removeListener(safety));
        final Settings watched = new Settings(started, settings);
        PropertyEventDispatcher.addListener(watched);
        undo("the property listener", () -> PropertyEventDispatcher.removeListener(watched));
        undo("the filter table", () -> filters.filter(FilterTable.NOTHING));
        InterceptorManager.getInstance().addInterceptor(presences);
        undo("the presence interceptor", () -> InterceptorManager.getInstance().removeInterceptor(presences));
        InterceptorManager.getInstance().addInterceptor(joins);
        undo("the interceptor of joins", () -> InterceptorManager.getInstance().removeInterceptor(joins));
        InterceptorManager.getInstance().addInterceptor(roomGate);
        undo("the interceptor of requests to rooms", () -> InterceptorManager.getInstance().removeInterceptor(roomGate));
        InterceptorManager.getInstance().addInterceptor(gate);
        undo("the interceptor", () -> InterceptorManager.getInstance().removeInterceptor(gate));
    }

    /**
     * Stops the host while the pump goes on carrying out its last effects, then takes everything back. Packets that come
     * in meanwhile are still offered: the host lets them pass, except where something older of the same conversation waits.
     */
    synchronized void stop() {
        if (stopped) {
            return;
        }
        stopped = true;
        if (host != null) {
            try {
                host.stop(drainMillis());
            } catch (Throwable e) {
                LOG.error("The host did not stop cleanly: {}", e.toString());
            }
        }
        while (!steps.isEmpty()) {
            Step step = steps.pop();
            try {
                step.undo.run();
            } catch (Throwable e) {
                LOG.error("{} could not be undone: {}", step.what, e.toString());
            }
        }
    }

    private void undo(String what, Undo undo) {
        steps.push(new Step(what, undo));
    }

    /** Without a cluster there is nobody else. */
    private static boolean isSenior() {
        return !ClusterManager.isClusteringStarted() || ClusterManager.isSeniorClusterMember();
    }

    private static int drainMillis() {
        try {
            String value = Settings.get(Settings.STOP_DRAIN_MILLIS);
            return value == null ? DEFAULT_DRAIN_MILLIS : Math.max(0, Integer.parseInt(value.trim()));
        } catch (RuntimeException e) {
            return DEFAULT_DRAIN_MILLIS;
        }
    }

    /** Each part gets the new table, also when one of them fails over it. */
    private static EffectPump.FilterSink inTurn(final EffectPump.FilterSink... parts) {
        return table -> {
            for (EffectPump.FilterSink part : parts) {
                try {
                    part.filter(table);
                } catch (Throwable e) {
                    LOG.error("A part of the filter table could not be put in place: {}", e.toString());
                }
            }
        };
    }

    private static Appliers appliers(XMPPServer server, UserVerbs.Accounts accounts, Login login, ShownStates states,
                                     GroupVerbs groups, StanzaWriter.Pool writers, RoomVerbs rooms, RoomHand hand) {
        SessionVerbs sessions = new SessionVerbs(OpenfirePeople.sessions(server));
        RosterVerbs.Rosters rosters = OpenfirePeople.rosters(server);
        return new Appliers(new UserVerbs(accounts, sessions), sessions, new RosterVerbs(rosters),
            new PresenceVerbs(accounts, server.getPacketRouter(), states), new ReadVerbs(OpenfirePeople.source(login), rosters), groups,
            new PepVerbs(accounts, server.getIQRouter(), server.getServerInfo().getXMPPDomain(), writers),
            new RememberVerb((key, value) -> Settings.write(Settings.PREFIX + key, true, value, false)), rooms, hand);
    }

    private static MessageGate.People people(final SessionWatch watch, final Delivery.Sessions sessions) {
        return new MessageGate.People() {
            @Override
            public boolean isUser(String node) {
                try {
                    return UserManager.getInstance().getUser(node) != null;
                } catch (UserNotFoundException e) {
                    return false;
                }
            }

            @Override
            public boolean isHere(String bareJid) {
                return watch.isHere(bareJid);
            }

            @Override
            public boolean refuses(String node, Message message) {
                return PrivacyLists.refuses(sessions.available(node), node, message);
            }
        };
    }

    private static Delivery.Sessions sessions() {
        final SessionManager manager = SessionManager.getInstance();
        return new Delivery.Sessions() {
            @Override
            public ClientSession get(JID fullJid) {
                return manager.getSession(fullJid);
            }

            @Override
            public Collection<ClientSession> available(String node) {
                return manager.getSessions(node);
            }
        };
    }

    private static byte[] startFrame(XMPPServer server, String domain, String home, String pluginVersion, String platform,
                                     Map<String, String> settings) {
        Frame.Writer frame = new Frame.Writer(Frame.START, 512)
            .putStr(server.getServerInfo().getVersion().getVersionString())
            .putStr(domain)
            .putStr(home)
            .putStr(pluginVersion)
            .putStr(platform)
            .putBool(CloudBridgePlugin.isTest())
            .putInt(settings.size());
        for (Map.Entry<String, String> setting : settings.entrySet()) {
            frame.putStr(setting.getKey()).putStr(setting.getValue());
        }
        return frame.done();
    }
}
