//! The formats that options stand for, as the manual gives them.

/// `option httplog`
pub const HTTP_FORMAT: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc \
                               %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";

/// `option tcplog`
pub const TCP_FORMAT: &str = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq";

/// `option httplog clf`
pub const CLF_FORMAT: &str = "%{+Q}o %{-Q}ci - - [%trg] %r %ST %B \"\" \"\" %cp %ms %ft %b %s %TR %Tw %Tc \
                              %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl";

/// `option tcplog clf`
pub const TCP_CLF_FORMAT: &str = "%{Q}o %{-Q}ci - - [%T] \"TCP \" 000 %B \"\" \"\" %cp %ms %ft %b %s %Th %Tw %Tc %Tt %U %ts-- \
                                  %ac %fc %bc %sc %rc %sq %bq \"\" \"\" ";

/// `option httpslog`
pub const HTTPS_FORMAT: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc \
                                %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r \
                                %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] \
                                %[ssl_fc_sni]/%sslv/%sslc";

macro_rules! keylog {
    ($side:literal) => {
        concat!(
            "CLIENT_EARLY_TRAFFIC_SECRET %[ssl_",
            $side,
            "_client_random,hex] %[ssl_",
            $side,
            "_client_early_traffic_secret]\n",
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET %[ssl_",
            $side,
            "_client_random,hex] %[ssl_",
            $side,
            "_client_handshake_traffic_secret]\n",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET %[ssl_",
            $side,
            "_client_random,hex] %[ssl_",
            $side,
            "_server_handshake_traffic_secret]\n",
            "CLIENT_TRAFFIC_SECRET_0 %[ssl_",
            $side,
            "_client_random,hex] %[ssl_",
            $side,
            "_client_traffic_secret_0]\n",
            "SERVER_TRAFFIC_SECRET_0 %[ssl_",
            $side,
            "_client_random,hex] %[ssl_",
            $side,
            "_server_traffic_secret_0]\n",
            "EXPORTER_SECRET %[ssl_",
            $side,
            "_client_random,hex] %[ssl_",
            $side,
            "_exporter_secret]\n",
            "EARLY_EXPORTER_SECRET %[ssl_",
            $side,
            "_client_random,hex] %[ssl_",
            $side,
            "_early_exporter_secret]",
        )
    };
}

/// The secrets of TLS towards clients, and towards servers. Each of the lines has the random bytes that name the
/// session.
const KEYLOG_FC_FORMAT: &str = keylog!("fc");
const KEYLOG_BC_FORMAT: &str = keylog!("bc");

/// The formats that a configuration can refer to by an environment variable.
pub const PREDEFINED: [(&str, &str); 7] = [
    ("HAPROXY_HTTP_LOG_FMT", HTTP_FORMAT),
    ("HAPROXY_HTTP_CLF_LOG_FMT", CLF_FORMAT),
    ("HAPROXY_HTTPS_LOG_FMT", HTTPS_FORMAT),
    ("HAPROXY_TCP_LOG_FMT", TCP_FORMAT),
    ("HAPROXY_TCP_CLF_LOG_FMT", TCP_CLF_FORMAT),
    ("HAPROXY_KEYLOG_FC_LOG_FMT", KEYLOG_FC_FORMAT),
    ("HAPROXY_KEYLOG_BC_LOG_FMT", KEYLOG_BC_FORMAT),
];
