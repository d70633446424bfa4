//! Services of scripts that answer while they are still asked.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use support::Result;
use support::origin::head;
use support::site::Site;

const SCRIPT: &str = r#"
core.register_service("http", "http", function(applet)
    applet:set_status(200)
    applet:start_response()
    local line = applet:getline()
    while line ~= "" do
        applet:send("heard " .. line)
        line = applet:getline()
    end
    applet:send("over\n")
end)
core.register_service("tcp", "tcp", function(applet)
    local line = applet:getline()
    while line ~= "" do
        applet:send("heard " .. line)
        line = applet:getline()
    end
    applet:send("over\n")
end)
core.register_service("mirror", "http", function(applet)
    applet:set_status(200)
    applet:start_response()
    local piece = applet:receive(10000)
    while piece ~= "" do
        applet:send(piece)
        piece = applet:receive(10000)
    end
end)
"#;

const SITE: &str = "\
global
    lua-load-per-thread site/services.lua
defaults
    timeout client 15s
    timeout connect 5s
    timeout server 15s
frontend www
    mode http
    bind 127.0.0.1:8080
    http-request use-service lua.mirror if { path /mirror }
    http-request use-service lua.http
frontend streams
    mode tcp
    bind 127.0.0.1:8081
    tcp-request content use-service lua.tcp
";

fn site(name: &str) -> Result<Site> {
    Site::start(name, &[("site.cfg", SITE), ("services.lua", SCRIPT)])
}

#[test]
fn a_service_of_http_answers_each_line_before_the_next_one_is_sent() -> Result<()> {
    let site = site("services-http")?;
    let mut stream = site.connect(0)?;
    stream.write_all(
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
    )?;
    let mut reader = BufReader::new(stream.try_clone()?);
    assert!(
        head(&mut reader)?.contains("transfer-encoding: chunked\r\n"),
        "the head has come before the body"
    );
    for line in ["one\n", "two\n", "three\n"] {
        write!(stream, "{:x}\r\n{line}\r\n", line.len())?;
        let mut told = String::new();
        while !told.ends_with(line) {
            assert_ne!(reader.read_line(&mut told)?, 0, "{told}");
        }
        assert!(told.ends_with(&format!("heard {line}")), "{told}");
    }
    stream.write_all(b"0\r\n\r\n")?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest)?;
    assert!(rest.contains("over\n") && rest.ends_with("0\r\n\r\n"), "{rest}");
    Ok(())
}

#[test]
fn a_service_of_tcp_answers_each_line_before_the_next_one_is_sent() -> Result<()> {
    let site = site("services-tcp")?;
    let mut stream = site.connect(1)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    for line in ["one\n", "two\n", "three\n"] {
        stream.write_all(line.as_bytes())?;
        let mut told = String::new();
        reader.read_line(&mut told)?;
        assert_eq!(told, format!("heard {line}"));
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest)?;
    assert_eq!(rest, "over\n");
    Ok(())
}

#[test]
fn a_body_of_any_length_passes_through_a_service() -> Result<()> {
    const LENGTH: usize = 8 << 20;
    let site = site("services-long")?;
    let mut stream = site.connect(0)?;
    write!(
        stream,
        "POST /mirror HTTP/1.0\r\nhost: x\r\ncontent-length: {LENGTH}\r\n\r\n"
    )?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let sender = std::thread::spawn(move || {
        let piece: Vec<u8> = (0..=250).cycle().take(1 << 16).collect();
        for _ in 0..LENGTH / piece.len() {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
    });
    assert!(head(&mut reader)?.starts_with("HTTP/1.1 200 "));
    let (mut length, mut buffer) = (0, vec![0; 1 << 16]);
    let piece: Vec<u8> = (0..=250).cycle().take(1 << 16).collect();
    while length < LENGTH {
        reader.read_exact(&mut buffer)?;
        assert!(buffer == piece, "after {length} bytes");
        length += buffer.len();
    }
    assert_eq!(reader.read(&mut buffer)?, 0);
    sender.join().map_err(|_| "the sender failed")?;
    Ok(())
}

#[test]
fn what_a_script_writes_to_the_output_is_there_at_once() -> Result<()> {
    let script = "core.register_action('write', {'http-req'}, function() io.write('written ', 1, '\\n') io.stdout:write('and more\\n') end)";
    let config = "global\n    lua-load site/write.lua\ndefaults\n    mode http\n    timeout client 15s\nfrontend www\n    \
        bind 127.0.0.1:8080\n    http-request lua.write\n    http-request return status 204\n";
    let site = Site::start("services-write", &[("site.cfg", config), ("write.lua", script)])?;
    site.ask("GET / HTTP/1.0\r\n\r\n")?;
    site.logged("written 1\nand more\n")
}
