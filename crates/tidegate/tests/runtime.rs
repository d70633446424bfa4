//! The runtime API, over its real sockets.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;
use support::Result;
use support::program::free_port;
use support::runtime::{PATIENCE, Runtime, exchange};

const VERSION: &str = concat!("3.4.0-tidegate-", env!("CARGO_PKG_VERSION"), "\n\n");

#[test]
fn one_line_is_answered_and_the_connection_ends() -> Result<()> {
    let runtime = Runtime::start("line", "level admin", "", "")?;
    assert_eq!(runtime.ask("show version\n")?, VERSION);
    assert_eq!(
        runtime.ask("show version;show version\n")?,
        format!("{VERSION}{VERSION}")
    );
    assert_eq!(
        runtime.ask("show version\r\nshow version\n")?,
        VERSION,
        "the second line is not read"
    );
    assert_eq!(runtime.ask("echo a\\;b c\\ d\\\\\n")?, "a;b c d\\\n\n");
    assert_eq!(runtime.ask("quit;show version\n")?, "");
    let mut unended = runtime.connect()?;
    unended.write_all(b"show version")?;
    unended.shutdown(std::net::Shutdown::Write)?;
    assert_eq!(
        exchange(unended, "").unwrap_or_default(),
        "",
        "what has no end is no line"
    );
    let mut ended = runtime.connect()?;
    ended.write_all(b"show version;show version;show version")?;
    ended.shutdown(std::net::Shutdown::Write)?;
    assert_eq!(exchange(ended, "")?, format!("{VERSION}{VERSION}"));
    Ok(())
}

#[test]
fn a_command_that_a_semicolon_ends_is_not_kept_waiting() -> Result<()> {
    let runtime = Runtime::start("semicolon", "level admin", "", "")?;
    let says = |stream: &mut UnixStream, said: &str, wanted: &str| -> Result<()> {
        stream.write_all(said.as_bytes())?;
        let mut answer = vec![0; wanted.len()];
        stream.read_exact(&mut answer)?;
        assert_eq!(String::from_utf8(answer)?, wanted, "{said}");
        Ok(())
    };
    let mut stream = runtime.connect()?;
    says(&mut stream, "show version;show", VERSION)?;
    says(&mut stream, " version; ", VERSION)?;
    // It was all one line, which ends here, and the connection with it.
    assert_eq!(exchange(stream, "show version\n")?, VERSION);
    let mut prompt = runtime.connect()?;
    says(&mut prompt, "prompt;", "\n> ")?;
    says(&mut prompt, "\nshow version;", &format!("{VERSION}> "))?;
    // The end of that line is no command.
    says(&mut prompt, "\necho a\\;b;", "a;b\n\n> ")?;
    assert_eq!(exchange(prompt, "quit\n")?, "");
    Ok(())
}

#[test]
fn a_prompt_asks_for_line_after_line() -> Result<()> {
    let runtime = Runtime::start("prompt", "level admin", "", "")?;
    assert_eq!(
        runtime.ask(
            "prompt\nshow version\nadd map site/colours.map <<\n/sea grey\n\nget map site/colours.map /sea\nquit\n"
        )?,
        format!(
            "\n> {VERSION}> + + \n> type=str, case=sensitive, found=yes, idx=tree, key=\"/sea\", value=\"grey\", \
             type=\"str\"\n\n> "
        )
    );
    assert_eq!(
        runtime.ask("prompt i\nshow version\nprompt n;show version\n")?,
        format!("\n{VERSION}\n{VERSION}"),
        "no prompt, and an end after the line that asks for it"
    );
    assert!(runtime.ask("prompt timed\nquit\n")?.starts_with("\n[0:00:00:"));
    Ok(())
}

#[test]
fn maps_change_while_they_are_used() -> Result<()> {
    let runtime = Runtime::start("maps", "level admin", "", "")?;
    let body = |path: &str| -> Result<String> {
        let answer = runtime.site.get(path)?;
        Ok(answer
            .split_once("\r\n\r\n")
            .map_or("", |(_, body)| body.trim())
            .to_owned())
    };
    assert_eq!(
        runtime.ask("show map\n")?,
        "# id (file) description\n0 (site/colours.map) map from a file. curr_ver=0 next_ver=0 entry_cnt=2\n\n"
    );
    assert_eq!(
        runtime.ask("show map #0\n")?,
        "0x0 /sky blue\n0x1 /grass green\n\n"
    );
    assert_eq!(body("/sea")?, "none");
    assert_eq!(
        runtime.ask("add map #0 /sea dark\\ grey;set map site/colours.map /sky red\n")?,
        "\n\n"
    );
    assert_eq!((body("/sea")?, body("/sky")?), ("dark grey".into(), "red".into()));
    assert_eq!(runtime.ask("set map #0 #0x0 black;del map #0 #1\n")?, "\n\n");
    assert_eq!((body("/sky")?, body("/grass")?), ("black".into(), "none".into()));

    assert_eq!(runtime.ask("prepare map #0\n")?, "New version created: 1\n\n");
    let payload = "add map @1 #0 <<END\n/new one\n\n/newer  two words \nEND\n";
    assert_eq!(runtime.ask(payload)?, "\n");
    assert_eq!(body("/new")?, "none", "nothing matches it before the commit");
    assert_eq!(
        runtime.ask("show map @1 #0\n")?,
        "0x3 /new one\n0x4 /newer two words\n\n"
    );
    assert!(
        runtime
            .ask("show map\n")?
            .contains("curr_ver=0 next_ver=1 entry_cnt=4")
    );
    assert_eq!(runtime.ask("commit map @1 #0\n")?, "\n");
    assert_eq!(
        (body("/new")?, body("/newer")?),
        ("one".into(), "two words".into())
    );
    assert_eq!(body("/sky")?, "none");
    assert_eq!(runtime.ask("clear map #0;show map #0\n")?, "\n\n");
    assert_eq!(body("/new")?, "none");
    Ok(())
}

#[test]
fn what_is_wrong_is_told() -> Result<()> {
    let runtime = Runtime::start("wrong", "level admin", "", "")?;
    for (line, wanted) in [
        (
            "show map #9",
            "Unknown map identifier. Please use #<id> or <file>.",
        ),
        (
            "show acl #0",
            "Unknown ACL identifier. Please use #<id> or <file>.",
        ),
        (
            "add map #0 /x",
            "`add map` needs a map, a key and a value, or a map and a payload.",
        ),
        ("del map #0 /x", "Key not found."),
        ("set map #0 /x y", "entry not found."),
        (
            "set map #0 #zz y",
            "Malformed identifier. Please use #<id> or <key>.",
        ),
        ("commit map @7 #0", "Version number out of range."),
        ("get var proc.x", "Variable not found."),
        (
            "set var proc.x int(1)",
            "`set var` may change: it needs `experimental-mode on` first.",
        ),
        ("show peers nobody", "No such peers"),
        (
            "debug dev exit",
            "`debug dev exit` is not supported: it looks into HAProxy's own internals.",
        ),
        (
            "set timeout cli soon",
            "`set timeout cli` needs a time in seconds.",
        ),
    ] {
        assert_eq!(
            runtime.ask(&format!("{line}\n"))?,
            format!("{wanted}\n\n"),
            "{line}"
        );
    }
    let long = format!("echo {}\n", "x".repeat(20_000));
    assert_eq!(
        runtime.ask(&long)?,
        "The line is too long: it may have 16384 bytes.\n\n"
    );
    assert_eq!(
        runtime.ask("set severity-output number;del map #0 /x\n")?,
        "\n[3]: Key not found.\n\n"
    );
    assert_eq!(
        runtime.ask("set severity-output string;prepare map #0\n")?,
        "\n[info]: New version created: 1\n\n"
    );
    assert_eq!(
        runtime.ask("set severity-output number;enable frontend site\n")?,
        "\n[5]: All sockets are already enabled.\n\n"
    );
    for refused in ["show quic", "add ssl ech", "show ssl ech"] {
        let said = runtime.ask(&format!("{refused}\n"))?;
        assert!(
            said.starts_with(&format!("`{refused}` is not supported: ")),
            "{said}"
        );
    }
    Ok(())
}

#[test]
fn variables_of_the_process_are_read_and_set() -> Result<()> {
    let runtime = Runtime::start("vars", "level admin", "    set-var proc.n int(3)\n", "")?;
    assert_eq!(
        runtime.ask(
            "get var proc.n;experimental-mode on;set var proc.n var(proc.n),add(1);get var proc.n;\
             set var proc.t fmt %[var(proc.n)]\\ on\\ %[nbproc];get var proc.t\n"
        )?,
        "proc.n: type=sint value=<3>\n\n\n\nproc.n: type=sint value=<4>\n\n\nproc.t: type=str value=<4 on 1>\n\n"
    );
    let wrong = runtime.ask("experimental-mode on;set var proc.n nonsense(1);set var txn.n int(1)\n")?;
    assert!(wrong.contains("unknown fetch `nonsense`"), "{wrong}");
    assert!(
        wrong.contains("`txn.n` is not a variable of the process"),
        "{wrong}"
    );
    Ok(())
}

#[test]
fn levels_say_what_may_be_done() -> Result<()> {
    let runtime = Runtime::start("levels", "level admin", "", "")?;
    assert_eq!(
        runtime.ask("show cli level;user;show cli level;operator\n")?,
        "admin\n\n\nuser\n\nPermission denied\n\n"
    );
    assert_eq!(
        runtime.ask("operator;clear map #0;show env NO_SUCH_THING\n")?,
        "\nPermission denied\n\nVariable not found\n\n"
    );
    assert_eq!(
        runtime.ask("expert-mode on;expert-mode;operator;expert-mode\n")?,
        "\nexpert-mode is ON\n\n\nPermission denied\n\n"
    );
    let open = runtime.ask("user;help\n")?;
    assert!(
        open.contains("  show map") && !open.contains("clear map"),
        "{open}"
    );
    let found = runtime.ask("help show map\n")?;
    assert_eq!(
        found,
        "The following commands may be given:\n  show map [[@<ver>] <map>]               : list the maps, or the \
         entries of one\n\n"
    );
    let plain = Runtime::start("level", "", "", "")?;
    assert_eq!(plain.ask("show cli level\n")?, "operator\n\n", "the default");
    Ok(())
}

#[test]
fn information_comes_in_four_layouts() -> Result<()> {
    let runtime = Runtime::start("info", "level user", "    node here\n    maxconn 123\n", "")?;
    runtime.site.get("/sky")?;
    let plain = runtime.until("show info\n", "\nCurrConns: 0\n")?;
    for line in [
        "Name: Tidegate",
        "Nbthread: 2",
        "Maxconn: 123",
        "CurrConns: 0",
        "CumConns: ",
        "node: here",
        "Stopping: 0",
        "Listeners: 2",
    ] {
        assert!(
            plain.lines().any(|known| known.starts_with(line)),
            "{line}: {plain}"
        );
    }
    let count = |name: &str| -> Result<u64> {
        let line = plain
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .ok_or("no such line")?;
        Ok(line.trim_start_matches(": ").parse()?)
    };
    // Whoever waits for the listener says nothing, which is a request in error for the log.
    let requests = 1..=count("CumConns")?;
    assert!(requests.contains(&count("CumReq")?), "{plain}");
    let typed = runtime.ask("show info typed desc\n")?;
    assert!(
        typed.contains("\n3.Nbthread.1:CGSV:u32:2:\"worker threads\"\n"),
        "{typed}"
    );
    assert!(
        runtime.ask("show info float\n")?.contains("\nUptime_sec: 0.") || !plain.contains("Uptime_sec: 0")
    );
    let json = runtime.ask("show info json\n")?;
    let wanted = "{\"field\":{\"pos\":3,\"name\":\"Nbthread\"},\"processNum\":1,\"tags\":{\"origin\":\"Config\",\
                  \"nature\":\"Gauge\",\"scope\":\"Service\"},\"value\":{\"type\":\"u32\",\"value\":2}}";
    assert!(json.starts_with("[{") && json.contains(wanted), "{json}");
    Ok(())
}

#[test]
fn what_was_said_at_the_start_and_named_defaults_are_shown() -> Result<()> {
    let rest = "defaults bare\n    mode http\n    timeout connect 5s\n    timeout server 5s\n\
                frontend warned from bare\n    bind 127.0.0.1:8081\n    http-request return status 200\n\
                defaults whole from bare\n    timeout client 5s\n";
    let runtime = Runtime::start("startup", "level user", "", rest)?;
    assert_eq!(runtime.ask("show defaults\n")?, "bare\nwhole\n\n");
    let said = runtime.ask("show startup-logs\n")?;
    assert!(
        said.contains("warning[TG0205]") && said.contains("site.cfg:"),
        "{said}"
    );
    assert!(said.contains("0 errors, 1 warning; "), "{said}");
    let silent = Runtime::start("startup-silent", "level user", "", "")?;
    assert_eq!(silent.ask("show startup-logs\n")?, "\n");
    Ok(())
}

#[test]
fn silence_ends_a_connection_and_others_wait_for_room() -> Result<()> {
    let runtime = Runtime::start(
        "room",
        "level admin",
        "    stats maxconn 1\n    stats timeout 300\n",
        "",
    )?;
    let silent = runtime.connect()?;
    // There is room for one: this is answered only when the silent one was sent away.
    assert_eq!(runtime.ask("show version\n")?, VERSION);
    assert_eq!(exchange(silent, "").unwrap_or_default(), "");
    let mut patient = runtime.connect()?;
    patient.write_all(b"prompt i;set timeout cli 15\n")?;
    let mut reader = BufReader::new(patient.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    reader.read_line(&mut line)?;
    std::thread::sleep(Duration::from_millis(700));
    patient.write_all(b"show version\nquit\n")?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest)?;
    assert_eq!((line.as_str(), rest.as_str()), ("\n\n", VERSION));
    Ok(())
}

#[test]
fn sockets_are_of_every_kind() -> Result<()> {
    let port = free_port()?;
    let name = format!("tidegate-rt-{}", std::process::id());
    let more = format!(
        "    stats socket ipv4@localhost:{port} level user\n    stats socket abns@{name} level admin\n"
    );
    let more = more.replace("localhost", "127.0.0.1");
    // The helper gives every address of the file another port.
    let runtime = Runtime::start("kinds", "mode 640 level admin", &more, "")?;
    let mode = std::fs::metadata(&runtime.path)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let listed = runtime.ask("show cli sockets\n")?;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0], "# socket lvl processes");
    assert_eq!(lines[1], format!("unix@{} admin all", runtime.path.display()));
    let address = lines[2]
        .strip_prefix("ipv4@")
        .and_then(|rest| rest.strip_suffix(" user all"));
    assert_eq!(lines[3], format!("abns@{name} admin all"));
    let tcp = TcpStream::connect(address.ok_or("no TCP socket")?)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    assert_eq!(exchange(tcp, "show cli level\n")?, "user\n\n");
    Ok(())
}

#[test]
fn limits_of_connections_change_while_some_are_open() -> Result<()> {
    let runtime = Runtime::start("maxconn", "level admin", "    maxconn 50\n", "")?;
    assert_eq!(
        runtime.ask("set maxconn frontend;set maxconn frontend no 1;set maxconn frontend site;set maxconn frontend site x\n")?,
        "A frontend name is expected.\n\nNo such frontend.\n\nInteger value expected.\n\n\
         `x` is not a number of connections.\n\n"
    );
    assert_eq!(
        runtime.ask("set maxconn global;set maxconn global 51;set maxconn global 7\n")?,
        "Expects an integer value.\n\nValue out of range.\n\n\n"
    );
    runtime.until("show info\n", "\nMaxconn: 7\nHard_maxconn: 50\n")?;
    runtime.ask("set maxconn global 0\n")?;
    runtime.until("show info\n", "\nMaxconn: 50\n")?;

    let request = b"GET /sky HTTP/1.1\r\nhost: a\r\n\r\n";
    let open = || -> Result<BufReader<TcpStream>> {
        let stream = runtime.site.connect(0)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    };
    let answered = |stream: &mut BufReader<TcpStream>| -> Result<bool> {
        let mut line = String::new();
        stream.get_mut().write_all(request)?;
        stream.read_line(&mut line)?;
        Ok(line.starts_with("HTTP/1.1 200"))
    };
    assert_eq!(runtime.ask("set maxconn frontend site 1\n")?, "\n");
    let mut first = open()?;
    assert!(answered(&mut first)?);
    let mut second = open()?;
    second.get_mut().write_all(request)?;
    second
        .get_mut()
        .set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut byte = [0];
    assert!(second.read(&mut byte).is_err(), "there is room for one");
    assert_eq!(runtime.ask("set maxconn frontend site 2\n")?, "\n");
    second.get_mut().set_read_timeout(Some(PATIENCE))?;
    assert_eq!(second.read(&mut byte)?, 1, "who waited gets in at once");
    Ok(())
}

#[test]
fn lines_of_a_ring_are_shown_and_followed() -> Result<()> {
    let ring = "ring kept\n    description \"what was logged\"\n    format raw\n    size 65536\n\
                frontend logged\n    bind 127.0.0.1:8081\n    option dontlognull\n    log ring@kept local0\n    log-format \"asked %HU\"\n    \
                http-request return status 200\n";
    let runtime = Runtime::start("events", "level admin", "", ring)?;
    let asked = |path: &str| -> Result<()> {
        let mut stream = runtime.site.connect(1)?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        assert!(answer.contains(" 200 "), "{answer}");
        Ok(())
    };
    assert_eq!(
        runtime.ask("show events\n")?,
        "Supported events sinks are listed below. Add -w(wait), -n(new). Any key to stop\n    \
         kept       : type=buffer, what was logged\n\n"
    );
    assert_eq!(
        runtime.ask("show events no;show events kept -x;show events kept\n")?,
        "No such event sink\n\nunknown option `-x`\n\n\n"
    );
    asked("/a")?;
    runtime.until("show events kept\n", "asked /a\n")?;
    let mut follower = BufReader::new(runtime.connect()?);
    assert_eq!(runtime.ask("show events kept -n\n")?, "\n");
    follower.get_mut().write_all(b"prompt i;show events kept -w\n")?;
    let mut line = String::new();
    follower.read_line(&mut line)?;
    assert_eq!(line, "\n", "the end of `prompt`");
    line.clear();
    follower.read_line(&mut line)?;
    assert_eq!(line, "asked /a\n");
    for path in ["/b", "/c"] {
        asked(path)?;
        line.clear();
        follower.read_line(&mut line)?;
        assert_eq!(line, format!("asked {path}\n"));
    }
    follower
        .get_mut()
        .write_all(b"anything\nshow events kept -0\nquit\n")?;
    let mut rest = String::new();
    follower.read_to_string(&mut rest)?;
    assert_eq!(rest, "\nasked /a\0asked /b\0asked /c\0\n");
    Ok(())
}

#[test]
fn messages_that_are_no_http_are_shown() -> Result<()> {
    let odd = support::origin::origin(|mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        support::origin::head(&mut from)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n")?;
        Ok(())
    })?;
    let rest = format!(
        "listen odd\n    bind 127.0.0.1:8081\n    server s {}\n",
        support::origin::server(odd)
    );
    let runtime = Runtime::start("errors", "level operator", "", &rest)?;
    let send = |bind: usize, bytes: &[u8]| -> Result<String> {
        let mut stream = runtime.site.connect(bind)?;
        stream.write_all(bytes)?;
        support::site::rest(stream)
    };
    assert!(runtime.ask("show errors\n")?.ends_with("] : 0\n\n"));
    assert!(send(0, b"GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n")?.starts_with("HTTP/1.1 400 "));
    assert!(send(1, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?.starts_with("HTTP/1.1 502 "));

    let all = runtime.ask("show errors\n")?;
    let lines: Vec<&str> = all.lines().collect();
    assert!(
        lines[0].starts_with("Total events captured on [") && lines[0].ends_with("] : 2"),
        "{all}"
    );
    for part in [
        "] frontend site (#2): invalid request\n  backend <NONE> (#-1), server <NONE> (#-1), event #0, src 127.0.0.1:",
        "\n  request length 28 bytes, error at position 5:\n  \n  00000  GET /\\x01 HTTP/1.1\\r\\n\n  00017  host: a\\r\\n\n  \
         00026  \\r\\n\n",
        "] backend odd (#3): invalid response\n  frontend odd (#3), server s (#1), event #1, src 127.0.0.1:",
        "\n  response length 32 bytes, error at position 20:\n  \n  00000  HTTP/1.1 200 OK\\r\\n\n  00017  bad name: x\\r\\n\n",
    ] {
        assert!(all.contains(part), "{part}\nis not in\n{all}");
    }
    let of =
        |which: &str| Ok::<_, Box<dyn std::error::Error>>(runtime.ask(which)?.matches(": invalid ").count());
    assert_eq!(of("show errors -1 response\n")?, 1);
    assert_eq!(of("show errors odd request\n")?, 0);
    assert_eq!(of("show errors 2\n")?, 1);
    assert_eq!(
        runtime.ask("show errors no;show errors odd no\n")?,
        "No such proxy.\n\nExpects either 'request' or 'response'.\n\n"
    );
    Ok(())
}

/// Whether a value is what a schema says, in what of JSON Schema `show schema json` uses.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(place) = schema["$ref"].as_str() {
        let place = place.trim_start_matches('#');
        return root
            .pointer(place)
            .is_some_and(|schema| fits(root, schema, value));
    }
    let kind = match schema["type"].as_str() {
        None => true,
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some(_) => false,
    };
    let all = |list: &Value, holds: &dyn Fn(&Value) -> bool| {
        list.as_array().is_none_or(|list| list.iter().all(holds))
    };
    let one_of = schema["oneOf"].as_array();
    kind && all(&schema["enum"], &|_| {
        schema["enum"]
            .as_array()
            .is_some_and(|words| words.contains(value))
    }) && all(&schema["required"], &|name| {
        name.as_str().is_some_and(|name| value.get(name).is_some())
    }) && (schema["items"].is_null() || all(value, &|item| fits(root, &schema["items"], item)))
        && value.as_object().is_none_or(|members| {
            schema["properties"].is_null()
                || members.iter().all(|(name, member)| {
                    fits(
                        root,
                        schema["properties"].get(name).unwrap_or(&Value::Bool(false)),
                        member,
                    )
                })
        })
        && one_of.is_none_or(|schemas| schemas.iter().filter(|schema| fits(root, schema, value)).count() == 1)
}

#[test]
fn figures_in_json_are_what_their_schema_says() -> Result<()> {
    let runtime = Runtime::start("schema", "level user", "", "")?;
    let ask = |line: &str| -> Result<Value> { Ok(serde_json::from_str(&runtime.ask(line)?)?) };
    let schema = ask("show schema json\n")?;
    for line in ["show info json\n", "show info json float\n", "show stat json\n"] {
        let mut figures = ask(line)?;
        assert!(fits(&schema, &schema, &figures), "{line}: {figures}");
        // One that isn't would be noticed.
        let figure = match figures[0].is_array() {
            true => &mut figures[0][0],
            false => &mut figures[0],
        };
        figure["tags"]["origin"] = "Nowhere".into();
        assert!(!fits(&schema, &schema, &figures), "{line}: {figures}");
    }
    for (line, why) in [
        ("show stat x 1 1", "No such proxy."),
        (
            "show stat site x 1",
            "`x 1` is not a type and a number: -1 is any.",
        ),
    ] {
        assert_eq!(runtime.ask(&format!("{line}\n"))?, format!("{why}\n\n"));
    }
    let shown = runtime.ask("show stat site 1 -1\n")?;
    assert_eq!(
        shown
            .lines()
            .filter(|row| row.starts_with("site,FRONTEND,"))
            .count(),
        1,
        "{shown}"
    );
    Ok(())
}
