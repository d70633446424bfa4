//! `use-service prometheus-exporter` in the running program.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::Result;
use support::site::Site;

const PATIENCE: Duration = Duration::from_secs(20);

const CONFIG: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend f
    bind 127.0.0.1:8080 name door
    option socket-stats
    http-request use-service prometheus-exporter if { path /metrics }
    http-request return status 204 if { path /204 }
    stick-table type ip size 77 store http_req_cnt
    use_backend other if { path /other }
    default_backend app
backend app
    server one ipv4@localhost:1 weight 10
    server out ipv4@localhost:1 disabled
    server bad ipv4@localhost:1 check inter 100ms fall 1
backend other
    retries 0
    server b ipv4@localhost:1 maxconn 3
";

/// Asks in a way that needs no chunks.
fn get(site: &Site, target: &str) -> Result<String> {
    site.ask(&format!("GET {target} HTTP/1.0\r\nhost: x\r\n\r\n"))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The value of a sample, by its name and labels.
fn value<'a>(text: &'a str, sample: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))
}

/// The names of all metrics.
fn names(text: &str) -> BTreeSet<&str> {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    kinds.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn metrics_are_told_under_haproxys_names() -> Result<()> {
    let site = Site::start("prometheus-metrics", &[("site.cfg", CONFIG)])?;
    get(&site, "/204")?;
    let failed = get(&site, "/other")?;
    assert!(
        failed.starts_with("HTTP/1.0 503 ") || failed.starts_with("HTTP/1.1 503 "),
        "{failed}"
    );
    let down = "haproxy_server_status{proxy=\"app\",server=\"bad\",state=\"DOWN\"} 1";
    let start = Instant::now();
    while !get(&site, "/metrics?scope=server")?.contains(down) {
        assert!(start.elapsed() < PATIENCE, "the check never failed");
    }
    let answer = get(&site, "/metrics")?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("\r\ncontent-type: text/plain; version=0.0.4\r\n"),
        "{answer}"
    );
    let text = body(&answer);
    for (sample, wanted) in [
        ("haproxy_process_nbproc", "1"),
        (
            "haproxy_frontend_http_responses_total{proxy=\"f\",code=\"3xx\"}",
            "0",
        ),
        ("haproxy_frontend_status{proxy=\"f\",state=\"UP\"}", "1"),
        (
            "haproxy_listener_status{proxy=\"f\",listener=\"door\",state=\"OPEN\"}",
            "1",
        ),
        ("haproxy_backend_active_servers{proxy=\"app\"}", "1"),
        (
            "haproxy_backend_agg_server_status{proxy=\"app\",state=\"MAINT\"}",
            "1",
        ),
        (
            "haproxy_backend_agg_server_status{proxy=\"app\",state=\"DOWN\"}",
            "1",
        ),
        (
            "haproxy_backend_agg_server_status{proxy=\"app\",state=\"UP\"}",
            "1",
        ),
        (
            "haproxy_backend_agg_check_status{proxy=\"app\",state=\"L4CON\"}",
            "1",
        ),
        (
            "haproxy_backend_max_queue_time_seconds{proxy=\"app\"}",
            "0.000000",
        ),
        ("haproxy_server_weight{proxy=\"app\",server=\"one\"}", "10"),
        (
            "haproxy_server_status{proxy=\"app\",server=\"one\",state=\"UP\"}",
            "1",
        ),
        (
            "haproxy_server_status{proxy=\"app\",server=\"out\",state=\"MAINT\"}",
            "1",
        ),
        (
            "haproxy_server_status{proxy=\"app\",server=\"out\",state=\"UP\"}",
            "0",
        ),
        (
            "haproxy_server_check_status{proxy=\"app\",server=\"bad\",state=\"L4CON\"}",
            "1",
        ),
        ("haproxy_server_limit_sessions{proxy=\"other\",server=\"b\"}", "3"),
        (
            "haproxy_server_connection_attempts_total{proxy=\"other\",server=\"b\"}",
            "1",
        ),
        ("haproxy_backend_connection_attempts_total{proxy=\"other\"}", "1"),
        ("haproxy_backend_connection_attempts_total{proxy=\"app\"}", "0"),
        ("haproxy_sticktable_size{name=\"f\",type=\"ip\"}", "77"),
        ("haproxy_sticktable_used{name=\"f\",type=\"ip\"}", "0"),
    ] {
        assert_eq!(value(text, sample), Some(wanted), "{sample}: {text}");
    }
    let at_least_one = value(
        text,
        "haproxy_frontend_http_responses_total{proxy=\"f\",code=\"2xx\"}",
    );
    assert!(at_least_one.is_some_and(|count| count != "0"), "{text}");
    assert!(text.contains("haproxy_process_build_info{version=\""), "{text}");
    // What a server has no limit of, or no check for, is no number; how no check ended isn't told.
    for no_number in [
        "haproxy_server_limit_sessions{proxy=\"app\",server=\"one\"}",
        "haproxy_server_check_failures_total{proxy=\"app\",server=\"one\"}",
        "haproxy_server_current_throttle{proxy=\"app\",server=\"one\"}",
    ] {
        assert_eq!(value(text, no_number), Some("NaN"), "{no_number}: {text}");
    }
    let absent = "haproxy_server_check_status{proxy=\"app\",server=\"one\",state=\"L4CON\"}";
    assert_eq!(value(text, absent), None, "{text}");
    Ok(())
}

#[test]
fn what_is_told_is_as_the_format_has_it() -> Result<()> {
    let site = Site::start("prometheus-format", &[("site.cfg", CONFIG)])?;
    let answer = get(&site, "/metrics")?;
    let (mut told, mut current) = (BTreeSet::new(), "");
    for line in body(&answer).lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').ok_or("a metric without words")?;
            assert!(told.insert(name) && !words.is_empty(), "{line}");
            current = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(
                [format!("{current} counter"), format!("{current} gauge")].contains(&rest.to_owned()),
                "{line}"
            );
            assert_eq!(
                rest.ends_with(" counter"),
                current.ends_with("_total") || current.ends_with("_resolutions"),
                "{line}"
            );
        } else {
            let rest = line
                .strip_prefix(current)
                .ok_or(format!("{line} below {current}"))?;
            let value = rest.rsplit(' ').next().unwrap_or_default();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(told.len() > 150, "{}", told.len());
    Ok(())
}

#[test]
fn a_query_says_what_is_wanted() -> Result<()> {
    let site = Site::start("prometheus-query", &[("site.cfg", CONFIG)])?;
    let answer = get(&site, "/metrics?scope=frontend&scope=sticktable")?;
    let found = names(body(&answer));
    assert!(
        found
            .iter()
            .all(|name| name.starts_with("haproxy_frontend_") || name.starts_with("haproxy_sticktable_"))
    );
    assert!(found.contains("haproxy_frontend_status") && found.contains("haproxy_sticktable_used"));
    let answer = get(&site, "/metrics?scope=server&no-maint")?;
    assert!(
        answer.contains("server=\"one\"") && !answer.contains("server=\"out\""),
        "{answer}"
    );
    let answer = get(
        &site,
        "/metrics?metrics=haproxy_server_weight,haproxy_server_uweight,haproxy_process_jobs,-haproxy_process_jobs",
    )?;
    let wanted = ["haproxy_server_uweight", "haproxy_server_weight"];
    assert_eq!(names(body(&answer)).into_iter().collect::<Vec<_>>(), wanted);
    let answer = get(&site, "/metrics?scope=none")?;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("There is no scope `none`"),
        "{answer}"
    );
    assert_eq!(body(&get(&site, "/metrics?scope=")?), "");
    Ok(())
}
