//! Commands that scripts add to the runtime API.

mod support;

use std::io::{Read, Write};

use support::Result;
use support::scripted;

const SITE: &str = "listen site\n    bind 127.0.0.1:8080\n    http-request return status 200\n";

const SCRIPT: &str = r#"
core.register_cli({ "show", "words" }, "tell the words", function(applet, ...)
    core.msleep(1)
    applet:send(table.concat({ ... }, ",") .. "\n\nafter an empty line\n")
end)
core.register_cli({ "read", "lines" }, "read lines up to `end`", function(applet)
    local line = applet:getline()
    while line ~= "" and line ~= "end\n" do
        applet:send("[" .. line:sub(1, -2) .. "]")
        line = applet:getline()
    end
    applet:send("over\n")
end)
core.register_cli({ "let", "down" }, "let down fails", function(applet)
    applet:send("part\n")
    error("no luck")
end)
core.register_cli({ "members" }, "what applets have", function(applet)
    applet:set_priv({ 7 })
    applet:set_var("txn.a", "b")
    local kept = _G.kept
    _G.kept = applet
    applet:send(applet:get_priv()[1] .. applet:get_var("txn.a") .. applet.sc:upper("c")
        .. tostring(applet.f:date() > 0) .. tostring(kept and select(2, pcall(kept.get_var, kept, "txn.a"))))
end)
core.register_cli({ "for", "admins" }, "what admins may", function(applet) applet:send("done\n") end, "admin")
core.register_cli({ "much" }, "much output", function(applet)
    for _ = 1, 100 do applet:send(("x"):rep(9999) .. "\n") end
end)
core.register_cli({ "forever" }, "until nobody listens", function(applet)
    while true do applet:send("tick\n") core.msleep(1) end
end)
core.register_task(function() while true do core.msleep(5) end end)
core.register_fetches("bad", function() error("bad") end)
core.register_cli({ "leave", "all" }, "read nothing of much", function(applet)
    core.msleep(100)
    applet:send("left\n")
end)
"#;

#[test]
fn a_command_gets_its_words_and_says_what_it_likes() -> Result<()> {
    let site = scripted::start("words", SCRIPT, SITE)?;
    assert_eq!(
        site.ask("show words  a b\\ c\n")?,
        "show,words,a,b c\n\nafter an empty line\n\n"
    );
    assert_eq!(
        site.ask("show words;show cli level\n")?,
        "show,words\n\nafter an empty line\n\nadmin\n\n",
        "what follows on the line is another command"
    );
    assert_eq!(site.ask("much\n")?.len(), 100 * 10_000 + 1);
    let help = site.ask("help\n")?;
    assert!(
        help.contains("  show words                              : tell the words\n"),
        "{help}"
    );
    assert!(
        help.contains("  let down fails\n"),
        "a usage that tells the words: {help}"
    );
    assert!(
        site.ask("show word\n")?.contains("show words "),
        "it is suggested"
    );
    Ok(())
}

#[test]
fn a_command_reads_what_follows_and_leaves_the_rest() -> Result<()> {
    let site = scripted::start("reads", SCRIPT, SITE)?;
    assert_eq!(
        site.ask("prompt\nread lines\none\ntwo\nend\nshow cli level\nquit\n")?,
        "\n> [one][two]over\n\n> admin\n\n> "
    );
    assert_eq!(site.ask("read lines <<\none\ntwo\n\n")?, "[one][two]over\n\n");
    let mut stream = site.connect()?;
    stream.write_all(b"read lines\nlast\n")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert_eq!(
        answer, "[last]over\n\n",
        "the end of what the client sends is the end of the input"
    );
    Ok(())
}

#[test]
fn nothing_is_lost_of_what_a_command_has_no_room_for() -> Result<()> {
    let site = scripted::start("leaves", SCRIPT, SITE)?;
    // More than the function's own buffer holds: pieces wait before it when it ends.
    let lines = "show cli level\n".repeat(4000);
    let answer = site.ask(&format!("prompt\nleave all\n{lines}quit\n"))?;
    assert!(answer.starts_with("\n> left\n\n> admin\n"), "{answer:.100}");
    assert_eq!(answer.matches("admin\n").count(), 4000);
    Ok(())
}

#[test]
fn a_command_has_an_applet_of_its_own() -> Result<()> {
    let site = scripted::start("members", SCRIPT, SITE)?;
    assert_eq!(site.ask("members\n")?, "7bCtruenil\n");
    assert_eq!(
        site.ask("members\n")?,
        "7bCtrueAppletTCP object is no longer usable\n"
    );
    Ok(())
}

#[test]
fn a_command_that_fails_says_so_and_the_connection_goes_on() -> Result<()> {
    let site = scripted::start("fails", SCRIPT, SITE)?;
    let answer = site.ask("let down;show cli level\n")?;
    assert!(
        answer.starts_with("part\nLua cli 'let down': [state-id 0] runtime error: "),
        "{answer}"
    );
    assert!(answer.contains("script.lua:16: no luck\n\nadmin\n"), "{answer}");
    Ok(())
}

#[test]
fn levels_hold_for_scripts_too() -> Result<()> {
    let site = scripted::start("levels", SCRIPT, SITE)?;
    assert_eq!(site.ask("for admins\n")?, "done\n\n");
    assert_eq!(site.ask("operator;for admins\n")?, "\nPermission denied\n\n");
    assert!(!site.ask("user;help\n")?.contains("for admins"));
    Ok(())
}

#[test]
fn what_functions_use_is_shown_and_a_client_that_goes_ends_its_command() -> Result<()> {
    let site = scripted::start("show", SCRIPT, SITE)?;
    let mut gone = site.connect()?;
    gone.write_all(b"forever\n")?;
    let mut first = [0; 5];
    gone.read_exact(&mut first)?;
    let contexts = |answer: &str| -> Option<u32> {
        let line = answer.lines().find(|line| line.starts_with("0 "))?;
        line.split(' ').nth(1)?.parse().ok()
    };
    let answer = site.ask("show lua\n")?;
    assert_eq!(contexts(&answer), Some(2), "the task and the command: {answer}");
    drop(gone);
    site.ask("let down\n")?;
    let answer = site.until("show lua\n", "\n0 1 ")?;
    assert!(answer.contains("\n0 cli let_down 1 "), "{answer}");
    assert!(answer.contains(" runtime-error=1\n"), "{answer}");
    assert!(answer.contains("\n0 fetch bad 0 0 0 0 -\n"), "{answer}");
    assert!(answer.contains("\n0 task site/script.lua:33 1 "), "{answer}");
    Ok(())
}

#[test]
fn connections_that_scripts_keep_are_counted() -> Result<()> {
    let origin = support::origin::named("kept")?;
    let script = r#"
        core.register_cli({ "use" }, "uses a connection twice", function(applet)
            for _ = 1, 2 do
                local socket = core.tcp()
                socket:connect("127.0.0.1", PORT)
                socket:send("GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                repeat local line = socket:receive("*l") until line == ""
                applet:send(socket:receive(4))
                socket:setkeepalive()
            end
        end)"#;
    let script = script.replace("PORT", &origin.port().to_string());
    let site = scripted::start("pooled", &script, SITE)?;
    assert_eq!(site.ask("use\n")?, "keptkept\n");
    let answer = site.ask("show lua\n")?;
    let (_, rows) = answer
        .split_once("# worker idle kept reused closed\n")
        .ok_or("no pools")?;
    let mut counts = [0_u64; 4];
    for row in rows
        .lines()
        .take_while(|row| !row.is_empty() && !row.starts_with('#'))
    {
        for (count, column) in counts.iter_mut().zip(row.split(' ').skip(1)) {
            *count += column.parse::<u64>()?;
        }
    }
    assert_eq!(counts, [1, 2, 1, 0], "{answer}");
    Ok(())
}

#[test]
fn a_command_of_the_program_is_not_a_scripts() -> Result<()> {
    let script = "core.register_cli({ 'show', 'info' }, 'x', function() end)";
    let root = std::env::temp_dir().join(format!("tidegate-own-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    let (config, path) = (root.join("own.cfg"), root.join("own.lua"));
    std::fs::write(&path, script)?;
    std::fs::write(&config, format!("global\n    lua-load {}\n", path.display()))?;
    let said = std::process::Command::new(support::program::binary())
        .arg("-c")
        .arg("-f")
        .arg(&config)
        .output()?;
    std::fs::remove_dir_all(&root)?;
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        text.contains("the command `show info` is the program's own"),
        "{text}"
    );
    assert_eq!(said.status.code(), Some(1));
    Ok(())
}
