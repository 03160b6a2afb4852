/* The host knows at any time whether this server is in a cluster and whether it is the one that listens to the platform. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

import org.junit.Test;

public class ClusterWatchTest {
    private final Doubles.Host host = new Doubles.Host();
    private boolean senior;
    private final ClusterWatch watch = new ClusterWatch(host, () -> senior);

    private List<String> told() {
        List<String> all = new ArrayList<>();
        for (byte[] notice = host.notices.poll(); notice != null; notice = host.notices.poll()) {
            Frame.Reader frame = new Frame.Reader(notice);
            assertEquals(Frame.NOTICE_SETTING, frame.opcode());
            String key = frame.takeStr();
            assertEquals(true, frame.takeBool());
            all.add(key.substring(Settings.PREFIX.length()) + "=" + frame.takeStr());
        }
        return all;
    }

    @Test
    public void aMemberThatJoinsIsNotSeniorBeforeItSaysThatItIsInACluster() {
        watch.joinedCluster();
        assertEquals(Arrays.asList("senior=false", "clustered=true"), told());
    }

    @Test
    public void theNextSeniorMemberSaysSoAndWhoLosesItToo() {
        senior = true;
        watch.markedAsSeniorClusterMember();
        assertEquals(Collections.singletonList("senior=true"), told());
        watch.leftCluster(new byte[] {1});
        assertEquals(Collections.singletonList("senior=true"), told());
        senior = false;
        watch.joinedCluster(new byte[] {2});
        assertEquals(Collections.singletonList("senior=false"), told());
    }

    @Test
    public void outsideOfAClusterEverybodyListens() {
        watch.leftCluster();
        assertEquals(Arrays.asList("clustered=false", "senior=true"), told());
    }

    @Test
    public void whoCannotFindOutDoesNotListen() {
        ClusterWatch blind = new ClusterWatch(host, () -> {
            throw new IllegalStateException("no cluster");
        });
        blind.joinedCluster();
        assertEquals(Arrays.asList("senior=false", "clustered=true"), told());
    }

    @Test
    public void onlyTheHostsOwnKeysAreRemembered() throws Exception {
        List<String> written = new ArrayList<>();
        Appliers table = new Appliers(new RememberVerb((key, value) -> written.add(key + "=" + value)));
        assertEquals(Frame.OUTCOME_OK, table.apply(null, "remember", new String[] {RememberVerb.CURSOR, "x"}).outcome);
        assertEquals(Frame.OUTCOME_OK, table.apply(null, "remember", new String[] {RememberVerb.MEMBER + "n1", "member"}).outcome);
        assertEquals(Frame.OUTCOME_FAILED, table.apply(null, "remember", new String[] {"chat.mode", "off"}).outcome);
        assertEquals(Arrays.asList("downlink.cursor=x", "cluster.node.n1=member"), written);
    }
}
