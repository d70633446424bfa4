//! Connections of scripts that the worker keeps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use common::{Site, http, out, run, script};

/// Each connection tells its number for each byte that it gets.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || {
                let mut stream = stream;
                stream.set_nodelay(true).unwrap();
                let mut byte = [0];
                while stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    if byte == *b"!" {
                        return;
                    }
                    let answer = format!("{}\n", number + 1);
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    address
}

#[test]
fn a_connection_that_was_given_back_is_used_again() {
    let address = server();
    let site = Site::new(&script(&format!(
        "local function use(finish)
             local s = core.tcp()
             local ok, why = s:connect('{address}')
             if not ok then return why end
             s:send('x')
             local line = s:receive('*l')
             if finish then return line, finish(s) end
             s:close()
             return line
         end
         local function keep(s) return s:setkeepalive() end
         out(use(keep)) out(use(keep)) out(use()) out(use(keep))
         out(use(function(s) s:send('xx') s:receive('*l') core.msleep(5) return s:setkeepalive() end))
         out(use(function(s) s:setkeepalive(1) core.msleep(5) end)) out(use(keep))
         out(use(function(s) return s:setkeepalive(60000, 0) end)) out(use(keep))
         local s = core.tcp() s:connect('{address}') s:send('!') out((s:receive('*l'))) out(s:setkeepalive()) out(s:send('x'))
         out(use()) out(core.tcp():setkeepalive())
         try(s.setkeepalive, s, 'x')"
    )));
    let txn = http("/");
    run(site.act("eval", &txn));
    assert_eq!(
        out(&txn),
        "1,1|1,1|1|2,1|2,nil,closed|3|4,1|4,1|5,1|nil|nil,closed|nil,closed,0|6|nil,closed|\
         bad argument #2 to 'setkeepalive' (number expected, got string)"
    );
}

#[test]
fn another_transaction_takes_what_one_has_given() {
    let address = server();
    let site = Site::new(&script(&format!(
        "local s = core.tcp() s:connect('{address}') s:send('x') out(s:receive('*l'), s:setkeepalive())"
    )));
    run(async {
        for _ in 0..3 {
            let txn = http("/");
            site.act("eval", &txn).await;
            assert_eq!(out(&txn), "1,1");
        }
    });
}
