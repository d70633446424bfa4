//! Objects that scripts keep: they never lead to another session.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use bytes::Bytes;
use common::{Site, http, out, run};
use tidegate_proxy::{HttpApplet, TcpApplet, Txn};

/// Each use that a kept object is put to, with the class that the error names.
const USES: &str = r#"
    local kept = {}
    local uses = {
        { "TXN", function(o) o.txn:get_var("txn.a") end },
        { "TXN", function(o) o.txn:set_priv(1) end },
        { "TXN", function(o) o.txn:Info("x") end },
        { "TXN", function(o) o.txn:done() end },
        { "Fetches", function(o) o.f:src() end },
        { "Fetches", function(o) o.txn.sf:src() end },
        { "Converters", function(o) o.c:lower("X") end },
        { "HTTP", function(o) o.http:req_get_headers() end },
        { "HTTP", function(o) o.txn.http:req_set_path("/x") end },
        { "Channel", function(o) o.req:input() end },
        { "Channel", function(o) o.txn.res:is_resp() end },
        { "AppletHTTP", function(o) o.applet:send("x") end },
        { "AppletHTTP", function(o) return o.applet.headers end },
        { "AppletHTTP", function(o) o.applet:set_var("txn.a", 1) end },
        { "Fetches", function(o) o.applet.f:src() end },
        { "AppletTCP", function(o) o.tcp:receive() end },
        { "AppletTCP", function(o) o.tcp:get_priv() end },
    }
    function try_all()
        for _, use in ipairs(uses) do
            local ok, problem = pcall(use[2], kept)
            local wanted = use[1] .. " object is no longer usable"
            problem = tostring(problem)
            if ok or not problem:find(wanted, 1, true) or problem:find("runtime error", 1, true) then
                return "wanted: " .. wanted .. ", got: " .. problem
            end
        end
        return "all refused"
    end
    core.register_action("keep", { "http-req" }, function(txn)
        kept.txn, kept.f, kept.c, kept.http, kept.req = txn, txn.f, txn.c, txn.http, txn.req
    end)
    core.register_service("keep", "http", function(applet) kept.applet = applet end)
    core.register_service("keep", "tcp", function(applet) kept.tcp = applet end)
    core.register_action("use", { "http-req" }, function(txn) txn:set_var("txn.out", try_all()) end)
    core.register_task(function()
        core.msleep(1)
        result_of_task = try_all()
    end)
    core.register_fetches("task_result", function() return result_of_task or "none" end)
"#;

fn keep(site: &Site) -> (std::rc::Rc<Txn>, std::rc::Rc<HttpApplet>, std::rc::Rc<TcpApplet>) {
    let declared = site.loaded.declared();
    let txn = http("/secret");
    run(site.act("keep", &txn));
    let applet = HttpApplet::detached(http("/secret"), [Bytes::new()]);
    let service = site
        .worker
        .http_service(declared.http_service("keep").unwrap())
        .unwrap();
    run(service.serve(applet.clone())).unwrap();
    let tcp = TcpApplet::new(Txn::detached().input("secret").build());
    let service = site
        .worker
        .tcp_service(declared.tcp_service("keep").unwrap())
        .unwrap();
    run(service.serve(tcp.clone())).unwrap();
    (txn, applet, tcp)
}

#[test]
fn another_session_can_not_use_them() {
    let site = Site::new(USES);
    let (txn, applet, tcp) = keep(&site);
    drop(txn);
    let next = http("/");
    run(site.act("use", &next));
    assert_eq!(out(&next), "all refused");
    // The services are over though their sessions still are.
    drop((applet, tcp));
}

#[test]
fn a_task_can_not_use_them() {
    let site = Site::new(USES);
    drop(keep(&site));
    run(async {
        site.start();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        for _ in 0..100 {
            let txn = http("/");
            let result = site.fetch("task_result", &*txn, &[]).await.unwrap();
            if result != tidegate_sample::Value::str("none") {
                assert_eq!(result, tidegate_sample::Value::str("all refused"));
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the task gave no result");
    });
}

#[test]
fn another_thread_can_not_use_them_while_the_session_is_alive() {
    let site = Site::new(USES);
    let alive = keep(&site);
    let factory = site.loaded.factory();
    let id = site
        .loaded
        .declared()
        .action(tidegate_lua_api::RuleSet::HttpRequest, "use")
        .unwrap()
        .id;
    let elsewhere = std::thread::spawn(move || {
        let worker = factory(1).unwrap();
        // This thread's own sessions have numbers too.
        let others: Vec<_> = (0..50).map(|_| http("/other")).collect();
        for other in &others {
            run(worker.action(id).unwrap().run(other, &[]));
        }
        others.iter().map(|other| out(other)).collect::<Vec<_>>()
    });
    for result in elsewhere.join().unwrap() {
        assert_eq!(result, "all refused");
    }
    drop(alive);
}
