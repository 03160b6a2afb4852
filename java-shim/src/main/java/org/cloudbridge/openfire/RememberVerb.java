/*
 * remember: something small that all nodes of a cluster must know, such as where the bridge is in the platform's downlink,
 * kept as a property of Openfire's: every node has it at once, and whoever starts later finds it.
 *
 * What it leaves out: settings of the admin's; only the host's own keys are written here.
 */
package org.cloudbridge.openfire;

import java.util.function.BiConsumer;

/** The verb remember: key (without our prefix), value. */
final class RememberVerb implements Appliers.Area {
    static final String CURSOR = "downlink.cursor";
    /** Followed by the id of a node: it is a member of the cluster. */
    static final String MEMBER = "cluster.node.";

    private final BiConsumer<String, String> properties;

    RememberVerb(BiConsumer<String, String> properties) {
        this.properties = properties;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("remember", 2, (thread, arguments) -> {
            if (!arguments[0].equals(CURSOR) && !arguments[0].startsWith(MEMBER)) {
                return new Delivery.Result(Frame.OUTCOME_FAILED, "not the host's to remember: " + arguments[0]);
            }
            properties.accept(arguments[0], arguments[1]);
            return Delivery.Result.OK;
        });
    }
}
