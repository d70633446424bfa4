//! What the running program says of its proxies, servers and connections. The answers are those of the haproxy package
//! (2.6) where it knows the fetch, else what the manual says.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use support::Result;
use support::origin::{head, origin, server};
use support::program::free_port;
use support::site::{Site, rest};

const DEFAULTS: &str = "\
global
    nbthread 2
defaults
    mode http
    timeout client 15s
    timeout server 16s
    timeout connect 7s
";

/// A rule that answers with the values of fetches.
fn answer_with(fetches: &str) -> String {
    let values: Vec<String> = fetches
        .split_whitespace()
        .map(|fetch| format!("{fetch}=%[{fetch}]"))
        .collect();
    format!(
        "http-request return content-type text/plain lf-string \"{}\"\n",
        values.join(" ")
    )
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    let line = answer.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or("-")
}

#[test]
fn servers_and_settings_are_those_of_the_configuration() -> Result<()> {
    let fetches = "nbsrv(b) nbsrv(d) nbsrv(e) avg_queue(b) queue(b) be_conn(b) be_conn_free(b) be_conn_free(e) connslots(e) \
                   srv_conn(b/s1) srv_conn_free(b/s1) srv_is_up(b/s1) srv_is_up(b/s2) srv_is_up(b/s3) srv_weight(b/s1) \
                   srv_weight(b/s3) srv_iweight(b/s1) srv_uweight(b/s1) srv_queue(b/s1) srv_sess_rate(b/s1) fe_conn act_conn \
                   dst_conn be_sess_rate(b) fe_client_timeout cur_client_timeout fe_defbe fc_err fc_err_str fc_rcvd_proxy \
                   fc_lost fc_retrans fc_nb_streams tgroup quic_enabled";
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    default_backend d\n    {}\
         backend b\n    server s1 ipv4@localhost:1 weight 10\n    server s2 ipv4@localhost:1 disabled\n    \
         server s3 ipv4@localhost:1 weight 0\n    server s4 ipv4@localhost:1 backup\n    server s5 ipv4@localhost:1\n\
         backend d\n    server s1 ipv4@localhost:1 backup\n    server s2 ipv4@localhost:1 backup\n\
         backend e\n",
        answer_with(fetches)
    );
    let site = Site::start("figures-settings", &[("site.cfg", &config)])?;
    let values = "nbsrv(b)=2 nbsrv(d)=1 nbsrv(e)=0 avg_queue(b)=0 queue(b)=0 be_conn(b)=0 be_conn_free(b)=-1 be_conn_free(e)=0 \
                  connslots(e)=0 srv_conn(b/s1)=0 srv_conn_free(b/s1)=-1 srv_is_up(b/s1)=1 srv_is_up(b/s2)=0 \
                  srv_is_up(b/s3)=1 srv_weight(b/s1)=10 srv_weight(b/s3)=0 srv_iweight(b/s1)=10 srv_uweight(b/s1)=10 \
                  srv_queue(b/s1)=0 srv_sess_rate(b/s1)=0 fe_conn=1 act_conn=1 dst_conn=1 be_sess_rate(b)=0 \
                  fe_client_timeout=15000 cur_client_timeout=15000 fe_defbe=d fc_err=0 fc_err_str=Success fc_rcvd_proxy=0 \
                  fc_lost=0 fc_retrans=0 fc_nb_streams=1 tgroup=0 quic_enabled=0";
    // Whoever looked whether it listens may not have gone yet.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut answer = site.get("/")?;
    while !answer.contains(" fe_conn=1 ") && Instant::now() < deadline {
        answer = site.get("/")?;
    }
    assert_eq!(body(&answer), values);
    Ok(())
}

#[test]
fn connections_are_counted_while_they_are_there() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    bind 127.0.0.1:8081\n    {}",
        answer_with("act_conn fe_conn dst_conn")
    );
    let site = Site::start("figures-connections", &[("site.cfg", &config)])?;
    let (first, second, other) = (site.connect(0)?, site.connect(0)?, site.connect(1)?);
    site.until("/", "act_conn=4 fe_conn=4 dst_conn=3")?;
    drop((first, other));
    site.until("/", "act_conn=2 fe_conn=2 dst_conn=2")?;
    drop(second);
    site.until("/", "act_conn=1 fe_conn=1 dst_conn=1")
}

#[test]
fn requests_are_counted_where_they_are() -> Result<()> {
    // The origin answers once it is told to.
    let (go, told) = channel::<()>();
    let (arrived, arrivals) = channel::<()>();
    let (told, arrived) = (Mutex::new(told), Mutex::new(arrived));
    let slow = origin(move |mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        arrived.lock().map_err(|_| "poisoned")?.send(())?;
        told.lock().map_err(|_| "poisoned")?.recv()?;
        Ok(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nslow")?)
    })?;
    let fetches = "be_conn(b) srv_conn(b/s) be_sess_rate(b) srv_sess_rate(b/s) be_conn(c)";
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    use_backend b if {{ path /slow }}\n    default_backend c\n\
         backend b\n    http-request set-header x-inside %[be_conn]\n    server s {}\n\
         backend c\n    {}",
        server(slow),
        answer_with(fetches)
    );
    let site = Site::start("figures-requests", &[("site.cfg", &config)])?;
    let waiting = [site.begin("/slow")?, site.begin("/slow")?];
    arrivals.recv()?;
    arrivals.recv()?;
    let counted = site.get("/")?;
    // How many there were in the last second depends on when that is looked at.
    assert!(
        body(&counted).starts_with("be_conn(b)=2 srv_conn(b/s)=2 be_sess_rate(b)="),
        "{counted}"
    );
    assert!(body(&counted).ends_with(" be_conn(c)=1"), "{counted}");
    go.send(())?;
    go.send(())?;
    for stream in waiting {
        assert!(rest(stream)?.ends_with("slow"));
    }
    let counted = site.get("/")?;
    assert!(
        body(&counted).starts_with("be_conn(b)=0 srv_conn(b/s)=0 "),
        "{counted}"
    );
    Ok(())
}

#[test]
fn rates_rise_with_what_comes() -> Result<()> {
    let config = format!(
        "{DEFAULTS}listen f\n    bind 127.0.0.1:8080\n    \
         http-request return status 200 content-type text/plain string high if {{ fe_req_rate ge 5 }} {{ fe_sess_rate ge 5 }}\n    \
         http-request return status 200 content-type text/plain string low\n"
    );
    let site = Site::start("figures-rates", &[("site.cfg", &config)])?;
    assert!(site.get("/")?.ends_with("low"));
    site.until("/", "high")
}

#[test]
fn what_a_response_came_from_is_known() -> Result<()> {
    let app = origin(|mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        head(&mut from)?;
        stream.write_all(b"HTTP/1.1 418 Teapot\r\ncontent-length: 5\r\n\r\nshort")?;
        // What is closed can not be measured.
        Ok(from.read_to_end(&mut Vec::new()).map(drop)?)
    })?;
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    http-response set-status 200\n    \
         http-after-response set-header x-status %[server_status],%[status]\n    \
         http-after-response set-header x-bytes %[req.bytes_in],%[req.bytes_out],%[res.bytes_in]\n    \
         http-after-response set-header x-server %[bc_err],%[bc_http_major],%[bc_nb_streams],%[be_server_timeout]\n    \
         http-after-response set-header x-measured yes if {{ bc_rtt(us) gt 0 }} {{ fc_rtt(us) gt 0 }} {{ bc_src_port gt 0 }}\n    \
         default_backend b\n\
         backend b\n    server s {}\n",
        server(app)
    );
    let site = Site::start("figures-response", &[("site.cfg", &config)])?;
    let answer = site.ask("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    assert_eq!(header(&answer, "x-status"), "418,200", "{answer}");
    // What came in is 46 bytes; what went out has no `connection: close`, and what came back is one piece.
    assert_eq!(header(&answer, "x-bytes"), "46,27,47", "{answer}");
    assert_eq!(header(&answer, "x-server"), "0,1,1,16000", "{answer}");
    assert_eq!(header(&answer, "x-measured"), "yes", "{answer}");
    Ok(())
}

#[test]
fn a_server_that_refuses_is_named() -> Result<()> {
    // Nobody listens there.
    let refusing = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    \
         http-after-response set-header x-error \"%[bc_err] %[bc_err_name] %[bc_err_str]\"\n    default_backend b\n\
         backend b\n    retries 0\n    server s {}\n",
        server(refusing)
    );
    let site = Site::start("figures-refused", &[("site.cfg", &config)])?;
    let answer = site.get("/")?;
    assert_eq!(
        header(&answer, "x-error"),
        "46 EREFUSED ECONNREFUSED returned by OS",
        "{answer}"
    );
    Ok(())
}

#[test]
fn the_rule_that_decided_is_known() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    \
         http-after-response set-header x-rule %[last_rule_file]:%[last_rule_line]\n    \
         http-after-response set-header x-entity %[last_entity]\n    \
         http-request set-header a b\n    \
         http-request allow if {{ path /allowed }}\n    \
         http-request deny if {{ path /denied }}\n"
    );
    let site = Site::start("figures-rules", &[("site.cfg", &config)])?;
    for (path, line) in [
        ("/allowed", "site/site.cfg:13"),
        ("/denied", "site/site.cfg:14"),
        ("/", ":"),
    ] {
        let answer = site.get(path)?;
        assert_eq!(header(&answer, "x-rule").trim_end(), line, "{answer}");
    }
    assert_eq!(header(&site.get("/denied")?, "x-entity"), "site/site.cfg:14");
    Ok(())
}

#[test]
fn tls_that_passes_through_is_routed_by_the_host_it_asks_for() -> Result<()> {
    let named = |name: &'static str| {
        origin(move |mut stream| {
            stream.write_all(name.as_bytes())?;
            stream.shutdown(Shutdown::Write)?;
            // What is not read would turn the end into a reset.
            Ok(stream.read_to_end(&mut Vec::new()).map(drop)?)
        })
    };
    let config = format!(
        "{DEFAULTS}listen f\n    mode tcp\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay 10s\n    \
         tcp-request content accept if {{ req.ssl_hello_type 1 }}\n    tcp-request content reject\n    \
         use_backend one if {{ req.ssl_sni -i one.example }}\n    default_backend other\n\
         backend one\n    mode tcp\n    server s {}\nbackend other\n    mode tcp\n    server s {}\n",
        server(named("one")?),
        server(named("other")?)
    );
    let site = Site::start("figures-tls", &[("site.cfg", &config)])?;
    for (host, wanted) in [("one.example", "one"), ("two.example", "other")] {
        let hello = client_hello(host.as_bytes())?;
        let mut stream = site.connect(0)?;
        // In two pieces: the first is waited for.
        let (first, second) = hello.split_at(40);
        stream.write_all(first)?;
        stream.write_all(second)?;
        stream.shutdown(Shutdown::Write)?;
        assert_eq!(rest(stream)?, wanted);
    }
    // What is no TLS is turned away without a wait.
    assert_eq!(site.ask("GET / HTTP/1.0\r\n\r\n")?, "");
    Ok(())
}

/// A ClientHello that asks for a host.
fn client_hello(host: &[u8]) -> Result<Vec<u8>> {
    let block = |size: usize, data: &[u8]| -> Result<Vec<u8>> {
        let length = u32::try_from(data.len())?.to_be_bytes();
        Ok([length.get(4 - size..).unwrap_or_default(), data].concat())
    };
    let names = [&[0][..], &block(2, host)?].concat();
    let extension = [&[0, 0][..], &block(2, &block(2, &names)?)?].concat();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    for part in [
        block(1, b"")?,
        block(2, &[0x13, 1])?,
        block(1, &[0])?,
        block(2, &extension)?,
    ] {
        hello.extend(part);
    }
    let message = [&[1][..], &block(3, &hello)?].concat();
    Ok([&[22, 3, 1][..], &block(2, &message)?].concat())
}

#[test]
fn a_script_that_asks_for_what_is_not_there_is_told_so() -> Result<()> {
    let script = r#"
core.register_fetches("asked", function(txn)
    local told = {}
    for _, asked in ipairs({
        { "nbsrv", "nope" }, { "be_conn", "f" }, { "fe_conn", "b" }, { "srv_conn", "nope/s" }, { "srv_conn", "b/z" },
        { "table_cnt", "f" }, { "src_get_gpc", 0, "nope" },
    }) do
        local fetch = table.remove(asked, 1)
        local found, why = pcall(txn.f[fetch], txn.f, table.unpack(asked))
        told[#told + 1] = found and fetch .. " gave something" or why
    end
    local found, why = pcall(txn.c.in_table, txn.c, "x", "nope")
    told[#told + 1] = found and "in_table gave something" or why
    -- What is left out is the session's, and what comes later is found.
    told[#told + 1] = txn.f:fe_conn() .. " " .. txn.f:nbsrv("b") .. " " .. txn.f:table_cnt("b") .. " " .. txn.f:srv_conn("b/s")
    return table.concat(told, "; ")
end)
"#;
    let config = format!(
        "{DEFAULTS}    log stdout local0\nfrontend f\n    bind 127.0.0.1:8080\n    {}backend b\n    stick-table type ip size 10\n    \
         server s ipv4@localhost:1\n",
        answer_with("lua.asked")
    )
    .replacen("global\n", "global\n    lua-load site/asked.lua\n", 1);
    let site = Site::start("figures-script", &[("site.cfg", &config), ("asked.lua", script)])?;
    let told = "lua.asked=nbsrv: there is no backend `nope`; \
                be_conn: there is no backend `f`; \
                fe_conn: there is no frontend `b`; \
                srv_conn: there is no backend `nope`; \
                srv_conn: backend `b` has no server `z`; \
                table_cnt: `f` has no `stick-table` line; \
                src_get_gpc: there is no stick table `nope`; \
                in_table: there is no stick table `nope`; \
                1 1 0 0";
    assert_eq!(body(&site.get("/")?), told);
    Ok(())
}
