//! Where this program and HAProxy 2.6 differ, and why.

/// Cases, with blanks between them, and the reason.
#[rustfmt::skip]
pub(super) const DIFFERENCES: &[(&str, &str)] = &[
    ("AppletHTTP.get_priv-1 AppletHTTP.set_priv-1 AppletTCP.get_priv-1 AppletTCP.set_priv-1", "HAProxy 2.6 forgets what `set_priv` of an applet keeps, against its documentation"),
    ("AppletHTTP.receive-1", "HAProxy 2.6 gives nothing where less is asked for than there is"),
    ("AppletHTTP.start_response-1", "starting a response twice is an error here; HAProxy 2.6 sends nothing then"),
    ("Channel.append-1 Channel.append-4", "HAProxy 2.6 puts the text in front of what is there, against its documentation"),
    ("Channel.input-2", "HAProxy counts the bytes of its own form of an HTTP message, heads included; here a head is no bytes"),
    ("HTTP.req_get_headers-2", "the request's headers can be read in a response's rules here"),
    ("HTTPClient.get-2", "as documented: the status is 0 where there is no response; HAProxy 2.6 gives a response of its own"),
    ("Reply.reason-1 TXN.done-2", "HAProxy 2.6 has no reason of a table's, against its documentation"),
    ("TXN.reply-1", "HAProxy 2.6 has no reason of a table's, no body by default, and takes a text for a table"),
    ("Server.is_draining-1", "a boolean, as documented; HAProxy 2.6 gives an integer"),
    ("Socket.close-1", "as documented: nil, what is wrong, and how far it got; HAProxy 2.6 gives -1"),
    ("Socket.receive-1 Socket.receive-2", "`closed` and `timeout`, as documented, with what came before; HAProxy says `connection closed.` for both"),
    ("Socket.send-1", "the index of the last byte sent, as documented; HAProxy gives how many"),
    ("Socket.settimeout-1", "the second argument is documented; HAProxy 2.6 refuses it"),
    ("StickTable.info-1", "the length of keys as it was configured; HAProxy gives one more"),
    ("TXN.set_var-1 core.register_converters-3", "a number with a fraction is cut; HAProxy 2.6 makes it 0"),
    ("act.ABORT-2", "as documented: nothing is sent; HAProxy 2.6 sends a 503"),
    ("act.ABORT-3", "a client whose response is dropped gets a 502; HAProxy 2.6 lets it wait until a timeout"),
    ("act.DENY-3", "502, as documented; HAProxy 2.6 sends the page with a status of 200"),
    ("act.DONE-3", "the rules end, as for requests; HAProxy 2.6 lets the client wait until a timeout"),
    ("act.INVALID-2 filter.ERROR-1", "the reason phrase is that of RFC 9110"),
    ("act.wake_time-2", "the form with a colon, which is documented now, works too"),
    ("core.set_map-1 core.del_map-1", "a map that is not loaded is an error; HAProxy does nothing"),
    ("core.register_action-2", "registering something while requests are served is an error; HAProxy takes it and never uses it"),
    ("core.register_fetches-6", "the first result is the sample; HAProxy takes the last"),
    ("HTTPMessage.set_status-1 filter.register_data_filter-1", "no result is documented; HAProxy 2.6 has one"),
    ("filter.ERROR-2", "a client whose response a filter gives up gets a 502; HAProxy 2.6 sends nothing"),
    ("filter.ERROR-3", "a filter that fails at a body ends the request; HAProxy 2.6 goes on"),
    ("core.register_task-2", "arguments of tasks are documented; HAProxy 2.6 refuses them"),
];

/// Entries that no case is about, or classes of such, and the reason.
pub(super) const WITHOUT_CASE: &[(&str, &str)] = &[
    ("ACME", "left out"),
    ("AcmeEvent", "left out"),
    (
        "CertCache",
        "HAProxy 2.6 has none, and none of the cases has a certificate: crates/tidegate/tests/certificates.rs has",
    ),
    ("ProxyMailers", "not served yet"),
];
