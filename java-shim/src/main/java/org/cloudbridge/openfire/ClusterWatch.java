/*
 * Tells the host whether this server is part of a cluster (there the embedded platform, which belongs to one server, may
 * not be used), and whether it is the cluster's senior member (the one that listens to the platform). Told as if they
 * were settings (Settings.CLUSTERED, Settings.SENIOR), so that the host has one place where modes are judged.
 *
 * What it leaves out: what the members share. That is a property, and comes back as a setting (RememberVerb).
 */
package org.cloudbridge.openfire;

import java.util.function.BooleanSupplier;

import org.jivesoftware.openfire.cluster.ClusterEventListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** ClusterEventListener is the same in all versions. */
final class ClusterWatch implements ClusterEventListener {
    private static final Logger LOG = LoggerFactory.getLogger(ClusterWatch.class);

    private final HostCalls host;
    private final BooleanSupplier senior;

    ClusterWatch(HostCalls host, BooleanSupplier senior) {
        this.host = host;
        this.senior = senior;
    }

    /** Who is senior first: a member that has just joined must not listen beside the one that does. */
    @Override
    public void joinedCluster() {
        tell(Settings.SENIOR, senior());
        tell(Settings.CLUSTERED, true);
    }

    @Override
    public void joinedCluster(byte[] nodeId) {
        // Two parts of a cluster that find each other again have one senior member too many.
        tell(Settings.SENIOR, senior());
    }

    @Override
    public void leftCluster() {
        tell(Settings.CLUSTERED, false);
        tell(Settings.SENIOR, true);
    }

    @Override
    public void leftCluster(byte[] nodeId) {
        tell(Settings.SENIOR, senior());
    }

    @Override
    public void markedAsSeniorClusterMember() {
        tell(Settings.SENIOR, true);
    }

    private boolean senior() {
        try {
            return senior.getAsBoolean();
        } catch (Throwable e) {
            LOG.warn("Whether this is the senior member of the cluster could not be found out: {}", e.getClass().getName());
            return false;
        }
    }

    private void tell(String what, boolean so) {
        try {
            host.notice(new Frame.Writer(Frame.NOTICE_SETTING).putStr(what).putBool(true).putStr(String.valueOf(so)).done());
        } catch (Throwable e) {
            LOG.warn("A change of the cluster could not be passed on: {}", e.getClass().getName());
        }
    }
}
