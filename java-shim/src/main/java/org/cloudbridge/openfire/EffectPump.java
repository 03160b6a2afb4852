/*
 * Takes effects from the host and executes them, on a handful of threads of our own. One slow route() stops one thread;
 * when every thread has been inside an effect for half a second, another one is added, up to a limit, and leaves again
 * when there is nothing to do. Order is the host's: it hands out the next effect of a conversation only after the DONE of
 * the one before.
 *
 * What it leaves out: how a message is let go (Delivery), what sessions look like (SessionWatch).
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;

/** The pump threads and what they do with each effect. */
final class EffectPump {
    /** Where a new filter table goes. */
    interface FilterSink {
        void filter(FilterTable table);
    }

    private static final Logger LOG = LoggerFactory.getLogger(EffectPump.class);
    /** The host names its parts; in Openfire's log they stand below ours. */
    private static final String HOST_LOGGERS = "org.cloudbridge.host.";
    private static final int TAKE_MILLIS = 1000;
    private static final long STUCK_NANOS = 500_000_000L;
    private static final int LOOK_MILLIS = 250;
    private static final int IDLE_TAKES_BEFORE_LEAVING = 20;

    private final HostCalls host;
    private final Held held;
    private final Delivery delivery;
    private final SessionWatch watch;
    private final FilterSink filters;
    private final Appliers appliers;
    private final int least;
    private final int most;
    /** Held while a table is put in place. */
    private final Object filterTurn = new Object();
    /** The number of the table that is in place. */
    private long filterNumber;
    private final RareLog rareLog = new RareLog(LOG);
    private final CopyOnWriteArrayList<PumpThread> threads = new CopyOnWriteArrayList<>();
    private Thread grower;
    private int named;
    private volatile boolean stopping;

    EffectPump(HostCalls host, Held held, Delivery delivery, SessionWatch watch, FilterSink filters, Appliers appliers, int least,
               int most) {
        this.host = host;
        this.held = held;
        this.delivery = delivery;
        this.watch = watch;
        this.filters = filters;
        this.appliers = appliers;
        this.least = least;
        this.most = most;
    }

    synchronized void start() {
        for (int i = 0; i < least; i++) {
            add();
        }
        grower = new Thread(this::growWhenStuck, "cloudbridge-pump-grow");
        grower.setDaemon(true);
        grower.start();
    }

    /** Ends and joins every thread; the host has stopped by then, so each ends at its next take. */
    void join(long millis) {
        List<Thread> all;
        synchronized (this) {
            stopping = true;
            notifyAll();
            all = new ArrayList<>(threads);
            if (grower != null) {
                all.add(grower);
            }
        }
        long end = System.nanoTime() + millis * 1_000_000L;
        for (Thread thread : all) {
            try {
                thread.join(Math.max(1, (end - System.nanoTime()) / 1_000_000L));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                break;
            }
            if (thread.isAlive()) {
                LOG.warn("{} is still inside a call to Openfire and was left behind", thread.getName());
            }
        }
    }

    int size() {
        return threads.size();
    }

    private synchronized void add() {
        if (stopping) {
            return;
        }
        PumpThread thread = new PumpThread(this::pump, "cloudbridge-pump-" + ++named);
        threads.add(thread);
        thread.start();
    }

    private void growWhenStuck() {
        while (true) {
            synchronized (this) {
                if (stopping) {
                    return;
                }
                try {
                    wait(LOOK_MILLIS);
                } catch (InterruptedException e) {
                    return;
                }
            }
            if (threads.size() < most && allStuck()) {
                add();
            }
        }
    }

    private boolean allStuck() {
        long now = System.nanoTime();
        for (PumpThread thread : threads) {
            long since = thread.busySince;
            if (since == 0 || now - since < STUCK_NANOS) {
                return false;
            }
        }
        return true;
    }

    private void pump() {
        PumpThread self = PumpThread.current();
        int idle = 0;
        try {
            while (true) {
                byte[] effect;
                try {
                    effect = host.take(TAKE_MILLIS);
                } catch (HostException e) {
                    if (e.code() == HostException.CLOSED) {
                        return;
                    }
                    rareLog.warn("No effect could be taken (code " + e.code() + "): " + e.getMessage());
                    Thread.sleep(100);
                    continue;
                }
                if (effect == null) {
                    if (++idle >= IDLE_TAKES_BEFORE_LEAVING && leave(self)) {
                        return;
                    }
                    continue;
                }
                idle = 0;
                long now = System.nanoTime();
                self.busySince = now == 0 ? 1 : now;
                try {
                    execute(self, effect);
                } finally {
                    self.busySince = 0;
                }
            }
        } catch (InterruptedException e) {
            LOG.debug("{} was interrupted", self.getName());
        } catch (Throwable e) {
            LOG.error("{} died of {}", self.getName(), e.toString());
        } finally {
            threads.remove(self);
        }
    }

    private synchronized boolean leave(PumpThread self) {
        return threads.size() > least && threads.remove(self);
    }

    /** Executes one effect and answers it; whatever goes wrong is an answer too. */
    void execute(PumpThread self, byte[] bytes) throws InterruptedException {
        long effect = 0;
        boolean numbered = false;
        Delivery.Result result;
        try {
            Frame.Reader frame = new Frame.Reader(bytes);
            int opcode = frame.opcode();
            if (opcode == Frame.EFFECT_LOG) {
                log(frame.takeInt(), frame.takeStr(), frame.takeStr());
                return;
            }
            if (opcode == Frame.EFFECT_FILTER) {
                putFilter(frame.takeLong(), FilterTable.read(frame.takeBytes()));
                return;
            }
            effect = frame.takeLong();
            numbered = true;
            result = run(self, opcode, frame);
        } catch (InterruptedException e) {
            throw e;
        } catch (Throwable e) {
            rareLog.warn("An effect failed: " + e.getClass().getName());
            result = new Delivery.Result(Frame.OUTCOME_FAILED, e.getClass().getName());
        }
        if (!numbered) {
            return;
        }
        try {
            host.notice(new Frame.Writer(Frame.NOTICE_DONE).putLong(effect).putInt(result.outcome).putStr(result.detail).done());
        } catch (HostException e) {
            if (e.code() != HostException.CLOSED) {
                rareLog.warn("An effect could not be answered (code " + e.code() + "): " + e.getMessage());
            }
        }
    }

    /** Pump threads may come to two tables in the other order; the newer one stays. */
    private void putFilter(long number, FilterTable table) {
        synchronized (filterTurn) {
            if (number > filterNumber) {
                filterNumber = number;
                filters.filter(table);
            }
        }
    }

    private Delivery.Result run(PumpThread self, int opcode, Frame.Reader frame) throws Exception {
        switch (opcode) {
            case Frame.EFFECT_RELEASE: {
                long token = frame.takeLong();
                boolean force = frame.takeBool();
                Held.Keeper keeper = held.keeper(token);
                if (keeper != null) {
                    return settleForGood(token, keeper.release(held.get(token)));
                }
                Message message = held(token);
                return message == null ? Delivery.Result.LOST : settle(token, delivery.route(self, message, force));
            }
            case Frame.EFFECT_STORED: {
                long token = frame.takeLong();
                Message message = held(token);
                if (message == null) {
                    return Delivery.Result.LOST;
                }
                delivery.carbons(message);
                return settle(token, Delivery.Result.OK);
            }
            case Frame.EFFECT_REFUSE: {
                long token = frame.takeLong();
                Held.Keeper keeper = held.keeper(token);
                if (keeper != null) {
                    return settleForGood(token, keeper.refuse(held.get(token), frame.takeStr(), frame.takeStr(), frame.takeStr()));
                }
                Message message = held(token);
                if (message == null) {
                    return Delivery.Result.LOST;
                }
                return settle(token, delivery.refuse(message, frame.takeStr(), frame.takeStr(), frame.takeStr()));
            }
            case Frame.EFFECT_ROUTE: {
                Message message = self.reader.message(frame.takeStr());
                return delivery.route(self, message, frame.takeBool());
            }
            case Frame.EFFECT_STORED_BYTES:
                delivery.carbons(self.reader.message(frame.takeStr()));
                return Delivery.Result.OK;
            case Frame.EFFECT_REFUSE_BYTES: {
                Message message = self.reader.message(frame.takeStr());
                return delivery.refuse(message, frame.takeStr(), frame.takeStr(), frame.takeStr());
            }
            case Frame.EFFECT_HANDOVER: {
                String fullJid = frame.takeStr();
                return delivery.handOver(self, fullJid, self.reader.message(frame.takeStr()));
            }
            case Frame.EFFECT_REPLACE: {
                long token = frame.takeLong();
                Held.Keeper keeper = held.keeper(token);
                if (keeper != null) {
                    return settleForGood(token, keeper.replace(held.get(token), frame.takeStr(), self.reader));
                }
                Message message = self.reader.message(frame.takeStr());
                return settle(token, delivery.route(self, message, frame.takeBool()));
            }
            case Frame.EFFECT_SNAPSHOT:
                watch.snapshot();
                return Delivery.Result.OK;
            case Frame.EFFECT_APPLY: {
                String verb = frame.takeStr();
                String[] arguments = new String[frame.takeCount()];
                for (int i = 0; i < arguments.length; i++) {
                    arguments[i] = frame.takeStr();
                }
                return appliers.apply(self, verb, arguments);
            }
            default:
                return new Delivery.Result(Frame.OUTCOME_FAILED, "unknown effect " + opcode);
        }
    }

    private Message held(long token) {
        Packet packet = held.get(token);
        return packet instanceof Message ? (Message) packet : null;
    }

    /** After OK the packet is forgotten; after anything else the host will come back to it. */
    private Delivery.Result settle(long token, Delivery.Result result) {
        if (result.outcome == Frame.OUTCOME_OK) {
            held.forget(token);
        }
        return result;
    }

    /** IQs and presence: a presence that is GONE has been dropped, and nothing comes back to it. */
    private Delivery.Result settleForGood(long token, Delivery.Result result) {
        if (result.outcome != Frame.OUTCOME_FAILED) {
            held.forget(token);
        }
        return result;
    }

    private static void log(int level, String name, String text) {
        Logger logger = LoggerFactory.getLogger(name.indexOf('.') < 0 ? HOST_LOGGERS + name : name);
        switch (level) {
            case 0:
                logger.error(text);
                break;
            case 1:
                logger.warn(text);
                break;
            case 2:
                logger.info(text);
                break;
            default:
                logger.debug(text);
        }
    }
}
