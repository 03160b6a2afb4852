/*
 * Tells the host whether this server is part of a cluster: there the embedded platform, which belongs to one server, may
 * not be used. Told as if it were a setting (Settings.CLUSTERED), so that the host has one place where modes are judged.
 *
 * What it leaves out: anything a cluster would need beyond that refusal.
 */
package org.cloudbridge.openfire;

import org.jivesoftware.openfire.cluster.ClusterEventListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** ClusterEventListener is the same in all versions. */
final class ClusterWatch implements ClusterEventListener {
    private static final Logger LOG = LoggerFactory.getLogger(ClusterWatch.class);

    private final HostCalls host;

    ClusterWatch(HostCalls host) {
        this.host = host;
    }

    @Override
    public void joinedCluster() {
        tell(true);
    }

    @Override
    public void joinedCluster(byte[] nodeId) {
        // Another node; this one has told already.
    }

    @Override
    public void leftCluster() {
        tell(false);
    }

    @Override
    public void leftCluster(byte[] nodeId) {
        // Another node.
    }

    @Override
    public void markedAsSeniorClusterMember() {
        // The bridge has no senior's jobs yet.
    }

    private void tell(boolean clustered) {
        try {
            host.notice(new Frame.Writer(Frame.NOTICE_SETTING).putStr(Settings.CLUSTERED).putBool(true)
                .putStr(String.valueOf(clustered)).done());
        } catch (Throwable e) {
            LOG.warn("A change of the cluster could not be passed on: {}", e.getClass().getName());
        }
    }
}
