//! Mails about servers: what `email-alert` lines say, and a script that sends them.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use support::Result;
use support::origin::server;
use support::site::Site;
use support::syslog::PATIENCE;

/// A mail server that tells all mails it got.
fn smtp() -> Result<(std::net::SocketAddr, Receiver<String>)> {
    let (tell, told) = channel();
    let address = support::origin::origin(move |mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut mail = String::new();
        stream.write_all(b"220 here\r\n")?;
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 {
            mail += &line;
            let answer: &[u8] = match line.trim_end() {
                "DATA" => b"354 go on\r\n",
                "QUIT" => break,
                _ => b"250 fine\r\n",
            };
            stream.write_all(answer)?;
            let in_data = line.starts_with("DATA");
            line.clear();
            while in_data && from.read_line(&mut line)? > 0 && line != ".\r\n" {
                mail += &line;
                line.clear();
            }
            if in_data {
                stream.write_all(b"250 taken\r\n")?;
                line.clear();
            }
        }
        stream.write_all(b"221 bye\r\n")?;
        tell.send(mail)?;
        Ok(())
    })?;
    Ok((address, told))
}

const SCRIPT: &str = r#"
core.use_native_mailers_config()
core.disable_legacy_mailers()

local function tell(px, text)
    local mails = px:get_mailers()
    for _, address in pairs(mails.mailservers) do
        local tcp = core.tcp()
        tcp:settimeout(mails.mailservers_timeout / 1000)
        assert(tcp:connect(address))
        local function say(line) assert(tcp:send(line .. "\r\n")) return assert(tcp:receive("*l")) end
        assert(tcp:receive("*l"))
        say("HELO " .. mails.smtp_hostname)
        say("MAIL FROM: <" .. mails.smtp_from .. ">")
        say("RCPT TO: <" .. mails.smtp_to .. ">")
        say("DATA")
        say(text .. "\r\n.")
        say("QUIT")
        tcp:close()
    end
end

core.register_init(function()
    for name, px in pairs(core.backends) do
        local mails = px:get_mailers()
        print(name, mails and mails.log_level, mails and mails.track_server_health, mails and mails.mailservers_timeout)
        for _, srv in pairs(mails and px.servers or {}) do
            srv:event_sub({"SERVER_DOWN"}, function(event, data)
                core.register_task(tell, px, "Subject: " .. data.proxy_name .. "/" .. data.name .. " went " .. event)
            end)
        end
    end
end)
"#;

#[test]
fn a_script_sends_what_the_lines_ask_for() -> Result<()> {
    let (mail_server, mails) = smtp()?;
    let gone = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = format!(
        "global\n    nbthread 1\n    tune.lua.bool-sample-conversion normal\n    lua-load site/mails.lua\n\
         mailers operators\n    timeout mail 15s\n    mailer first {}\n\
         defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n    \
         email-alert from gate@a.test\n    email-alert to people@a.test\n    email-alert level notice\n\
         listen probe\n    mode http\n    bind 127.0.0.1:8080\n    http-request return status 200\n\
         backend watched\n    email-alert mailers operators\n    email-alert myhostname gate.a.test\n    \
         option log-health-checks\n    server s {} check inter 50ms fall 1\n",
        server(mail_server),
        server(gone),
    );
    let site = Site::start("mails", &[("site.cfg", &config), ("mails.lua", SCRIPT)])?;
    site.logged("watched\t5\ttrue\t15000")?;
    site.logged("probe\tnil\tnil\tnil")?;
    // Three that aren't complete: nothing is mailed for those, and that is said.
    site.logged("no mails are sent for listen `probe`: it has no `email-alert mailers`")?;
    let mail = mails.recv_timeout(PATIENCE)?;
    assert_eq!(
        mail,
        "HELO gate.a.test\r\nMAIL FROM: <gate@a.test>\r\nRCPT TO: <people@a.test>\r\nDATA\r\n\
         Subject: watched/s went SERVER_DOWN\r\nQUIT\r\n"
    );
    Ok(())
}
