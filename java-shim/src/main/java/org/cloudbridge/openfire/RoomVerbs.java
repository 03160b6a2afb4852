/*
 * The verbs of rooms (docs/boundary.md): letting a message go that exists only as bytes, ending what a session is owed,
 * the list of all occupants.
 */
package org.cloudbridge.openfire;

import org.xmpp.packet.JID;

/** `room.*`, as far as Openfire itself is asked nothing. */
final class RoomVerbs implements Appliers.Area {
    private final RoomSpeech speech;
    private final RoomFanOut fanOut;
    private final RoomWatch watch;

    RoomVerbs(RoomSpeech speech, RoomFanOut fanOut, RoomWatch watch) {
        this.speech = speech;
        this.fanOut = fanOut;
        this.watch = watch;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("room.speak", 2, (thread, a) -> speech.speak(thread.reader.message(a[0]), a[1]));
        table.verb("room.live", 3, (thread, a) -> {
            fanOut.live(new JID(a[0]), new JID(a[1]), Long.parseLong(a[2]));
            return Delivery.Result.OK;
        });
        table.verb("room.occupants", 0, (thread, a) -> {
            watch.snapshot();
            return Delivery.Result.OK;
        });
    }
}
