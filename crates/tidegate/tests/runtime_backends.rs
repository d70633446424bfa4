//! Backends that come and go over the runtime API, and proxies that are `disabled`.

mod support;

use std::io::{BufReader, Write};
use std::net::Ipv4Addr;

use support::Result;
use support::origin::{head, named, origin, telling};
use support::runtime::Runtime;
use support::site::rest;

/// A site that chooses by a header, and by force for another.
const SITE: &str = "defaults plain
    mode http
defaults modeless
    timeout server 5s
frontend front
    mode http
    bind 127.0.0.1:8081
    force-be-switch if { req.hdr(x-admin) 1 }
    use_backend %[req.hdr(x-be)]
";

fn start(name: &str, rest: &str) -> Result<Runtime> {
    Runtime::start(name, "level admin", "", &format!("{SITE}{rest}"))
}

/// The status of an answer to a request with these fields.
fn status(runtime: &Runtime, fields: &str) -> Result<String> {
    let answer = answer(runtime, fields)?;
    Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// What a request with these fields is answered with.
fn answer(runtime: &Runtime, fields: &str) -> Result<String> {
    let mut stream = runtime.site.connect(1)?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n"
    )?;
    rest(stream)
}

#[test]
fn backends_come_and_go() -> Result<()> {
    let runtime = start("backends", "")?;
    let origin = named("new")?;
    for round in 0..3 {
        assert_eq!(status(&runtime, "x-be: new\r\n")?, "503", "{round}");
        let refused = [
            (
                "add backend new from unknown",
                "Cannot find default proxy 'unknown'.",
            ),
            (
                "add backend new from modeless",
                "Mode is required as an argument.",
            ),
            (
                "add backend new from plain mode log",
                "Mode 'log' isn't one of tcp and http.",
            ),
            (
                "add backend new",
                "Expects <name> from <defproxy> [mode <mode>] [guid <guid>].",
            ),
            (
                "add backend ne/w from plain",
                "`/` is not permitted in a name; a name has letters, digits, `-`, `_`, `.` and `:`.",
            ),
        ];
        for (line, why) in refused {
            assert_eq!(runtime.ask(&format!("{line}\n"))?, format!("{why}\n\n"));
        }
        let line = "add backend new from modeless mode http guid made\n";
        assert_eq!(runtime.ask(line)?, "New backend registered.\n\n");
        assert_eq!(
            runtime.ask(line)?,
            "Already exists a proxy with the same name.\n\n"
        );
        assert_eq!(
            runtime.ask(&format!("add server new/s {}\n", origin))?,
            "New server registered.\n\n"
        );
        runtime.ask("enable server new/s\n")?;
        assert_eq!(
            status(&runtime, "x-be: new\r\n")?,
            "503",
            "it is not published yet"
        );
        assert_eq!(status(&runtime, "x-be: new\r\nx-admin: 1\r\n")?, "200");
        assert_eq!(runtime.ask("publish backend new\n")?, "Backend published.\n\n");
        assert_eq!(status(&runtime, "x-be: new\r\n")?, "200");
        let stat = runtime.ask("show stat new 2 -1\n")?;
        assert!(stat.contains("\nnew,BACKEND,"), "{stat}");

        let steps = [
            (
                "del backend new",
                "Backend must be unpublished prior to its deletion.",
            ),
            ("unpublish backend new", "Backend unpublished."),
            ("del backend new", "Only a backend without server can be deleted."),
            (
                "wait 1s be-removable new",
                "Only a backend without server can be deleted.",
            ),
        ];
        for (line, said) in steps {
            assert_eq!(runtime.ask(&format!("{line}\n"))?, format!("{said}\n\n"));
        }
        runtime.ask("disable server new/s\n")?;
        assert_eq!(
            runtime.ask(
                "wait 10s srv-removable new/s;del server new/s;wait 10s be-removable new;del backend new\n"
            )?,
            "Done.\n\nServer deleted.\n\nDone.\n\nBackend deleted.\n\n"
        );
        assert_eq!(runtime.ask("del backend new\n")?, "No such backend.\n\n");
        assert_eq!(runtime.ask("show stat new 2 -1\n")?, "No such proxy.\n\n");
    }
    Ok(())
}

#[test]
fn what_a_defaults_section_says_holds_for_backends_that_come() -> Result<()> {
    let rest = "defaults full from plain
    timeout server 5s
    default-server weight 7
    http-request return status 418 if { nbsrv 1 } { req.hdr(x-tea) -m found }
    http-response set-header x-seen yes
";
    let runtime = start("backends-defaults", rest)?;
    runtime.ask("add backend new from full\n")?;
    let origin = named("new")?;
    assert_eq!(
        runtime.ask(&format!("add server new/s {} from be:new\n", origin))?,
        "New server registered.\n\n"
    );
    runtime.ask("enable server new/s;publish backend new\n")?;
    assert_eq!(runtime.ask("get weight new/s\n")?, "7 (initial 7)\n\n");
    let said = answer(&runtime, "x-be: new\r\n")?;
    assert!(
        said.contains("\r\nx-seen: yes\r\n") && said.ends_with("new"),
        "{said}"
    );
    assert_eq!(status(&runtime, "x-be: new\r\nx-tea: 1\r\n")?, "418");
    Ok(())
}

#[test]
fn backends_of_the_configuration_may_go_unless_it_names_them() -> Result<()> {
    let rest = "    use_backend fixed if { path /fixed }
    http-request set-header n %[nbsrv(counted)] if { path /n }
backend first
    mode http
backend fixed
    mode http
backend counted
    mode http
backend table
    mode http
    stick-table type ip size 10
listen both
    bind 127.0.0.1:8082
    mode http
";
    let runtime = start("backends-stay", rest)?;
    let referenced =
        "This proxy cannot be removed at runtime due to other configuration elements pointing to it.";
    let stays = [
        ("both", "Cannot delete a listen section."),
        ("fixed", referenced),
        ("counted", referenced),
        (
            "table",
            "A backend that declares a stick table or takes log lines cannot be removed at runtime.",
        ),
    ];
    for (name, why) in stays {
        let said = runtime.ask(&format!("unpublish backend {name};del backend {name}\n"))?;
        assert_eq!(said, format!("Backend unpublished.\n\n{why}\n\n"));
    }
    let line = "unpublish backend first;del backend first;add backend first from plain\n";
    assert_eq!(
        runtime.ask(line)?,
        "Backend unpublished.\n\nBackend deleted.\n\nNew backend registered.\n\n"
    );
    Ok(())
}

#[test]
fn a_backend_with_a_stream_stays_until_that_has_ended() -> Result<()> {
    let slow = origin(|mut stream| {
        let mut reader = BufReader::new(stream.try_clone()?);
        head(&mut reader)?;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")?;
        // The other half comes never: the client goes first.
        head(&mut reader).map(drop)
    })?;
    let runtime = start("backends-used", "")?;
    runtime.ask(&format!(
        "add backend new from plain;add server new/s {};enable server new/s;publish backend new\n",
        slow
    ))?;
    let mut client = runtime.site.connect(1)?;
    write!(client, "GET / HTTP/1.1\r\nhost: a\r\nx-be: new\r\n\r\n")?;
    runtime.until("show sess\n", "be=new")?;
    runtime.ask("unpublish backend new;disable server new/s\n")?;
    assert_eq!(
        runtime.ask("del server new/s\n")?,
        "Server still has connections attached to it, cannot remove it.\n\n"
    );
    drop(client);
    let said = runtime
        .ask("wait 10s srv-removable new/s;del server new/s;wait 10s be-removable new;del backend new\n")?;
    assert_eq!(said, "Done.\n\nServer deleted.\n\nDone.\n\nBackend deleted.\n\n");
    Ok(())
}

#[test]
fn disabled_proxies_are_known_and_take_no_part() -> Result<()> {
    let port = telling(Ipv4Addr::new(127, 0, 0, 5), 0, "off")?;
    let origin = format!("127.0.0.5:{port}");
    let rest = format!(
        "    http-request return status 200 content-type text/plain lf-string \
         \"%[nbsrv(off)] %[srv_is_up(off/s)] %[fe_conn(closed)]\" if {{ path / }} {{ req.hdr(x-ask) 1 }}
    use_backend off if {{ req.hdr(x-be) fixed }}
    default_backend off
frontend closed
    disabled
    bind ipv4@127.0.0.1:8083
    mode http
    default_backend off
backend off
    disabled
    mode http
    stick-table type ip size 10
    server s {origin} check inter 100
    server nowhere no.such.host.invalid:80
"
    );
    let runtime = start("disabled", &rest)?;
    for fields in ["x-be: off\r\n", "x-be: fixed\r\n", "x-be: none\r\n"] {
        assert_eq!(status(&runtime, fields)?, "503", "{fields}");
    }
    assert_eq!(status(&runtime, "x-be: off\r\nx-admin: 1\r\n")?, "200");
    let answer = answer(&runtime, "x-ask: 1\r\n")?;
    assert!(answer.ends_with("0 1 0"), "{answer}");

    let stat = runtime.ask("show stat\n")?;
    assert!(!stat.contains("\noff,") && !stat.contains("\nclosed,"), "{stat}");
    let states = runtime.ask("show servers state off\n")?;
    assert!(states.contains(" off 1 s 127.0.0.5 2 0 1 1 "), "{states}");
    assert!(states.contains(" no.such.host.invalid 80 "), "{states}");
    assert!(runtime.ask("show backend\n")?.contains("\noff\n"));
    assert!(runtime.ask("show table\n")?.contains("# table: off, "));
    for (line, said) in [
        (
            "enable frontend closed",
            "Frontend was previously shut down, cannot enable.",
        ),
        (
            "disable frontend closed",
            "Frontend was previously shut down, cannot disable.",
        ),
        ("shutdown frontend closed", "Frontend was already shut down."),
        ("disable server off/s", "Proxy is disabled."),
        ("set server off/s weight 3", "Proxy is disabled."),
        ("add server off/t 127.0.0.1:9", "Proxy is disabled."),
        ("publish backend off", "No effect on a disabled backend."),
    ] {
        assert_eq!(runtime.ask(&format!("{line}\n"))?, format!("{said}\n\n"));
    }
    // No check has been made that could have failed or succeeded.
    assert!(
        !runtime.site.output().contains("Server off/"),
        "{}",
        runtime.site.output()
    );
    Ok(())
}
