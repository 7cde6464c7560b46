"""A stand-in for Whereby: its REST API, its rooms, its webhooks and its recorder, on one machine.

What the real one has too
    POST, GET, DELETE /v1/meetings[/{meetingId}]      bearer key; 401 without it, 400 where `endDate` is missing
    GET /v1/insights/room-sessions?roomName=          sessions start when two people are there; 10 a page, or `limit`
    GET /{room}?externalId=&displayName=&roomKey=     the room: whoever has the page open is in the call
    webhooks to {ASSENT_GATEWAY_URL}/v1/whereby       signed; repeated after a 5xx or 5 s of silence, at most twice
    the recording, put into the meeting's bucket      with the credentials that came with the meeting

What only the stand-in has: /control, for the demo and the tests. Bodies and answers are JSON. `at` and
`start_time` (RFC 3339) date an event back; without them it happens now. A call returns when its webhooks were
delivered or given up, unless the body says `"wait": false`. `{room}` is the room's name without its slash.

    GET  /control/rooms                       every meeting with who is in it
    POST /control/rooms/{room}/join           {displayName, externalId?, metadata?, roleName?, isDialIn?, at?}
                                              -> {participantId}
    POST /control/rooms/{room}/leave          {participantId or externalId, at?}
    POST /control/rooms/{room}/admit          lets in who knocks at a locked room
    POST /control/rooms/{room}/record         {at?}: start the recorder, whatever the trigger is
    POST /control/rooms/{room}/end            {at?, start_time?, file...}: everybody leaves; if it was recorded, the
                                              file is in the bucket when this returns -> {recording: {...} or null}
    POST /control/rooms/{room}/file           {start_time?, file...}: put a recording there, out of nothing
    GET  /control/webhooks                    what was sent: id, type, attempts, status, state
    POST /control/webhooks                    {mode: deliver | hold | lose, copies: 1}: what to do with the next ones
    POST /control/webhooks/release            deliver what was held; {order: "reversed"} turns it round

`start_time` of /end begins the recording then, and moves the recorder's join to it if the recorder was not there yet.
`file...` stands for: `path` (a file on this machine; the sample by default), `key_format` (by default
`{room}-{start}.{extension}`; also `{start_ms}` with milliseconds and `{start_offset}` with +02:00 for the zone) and
`announce` (whether `recording.finished` is sent; true by default).
"""
