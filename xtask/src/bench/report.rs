//! What the rounds of a case come to, and the page they make.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::cases::Case;
use super::server::Server;

/// One server's turn in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// CPU time per answered request.
    pub(crate) cpu_us: f64,
    /// What of it the kernel took on the server's behalf.
    pub(crate) kernel_us: f64,
    /// The share of its core that the server had used.
    pub(crate) busy: f64,
}

/// All rounds of one case. Each server has as many turns as any other.
pub(crate) struct Measured<'a> {
    pub(crate) case: &'a Case,
    pub(crate) turns: BTreeMap<Server, Vec<Turn>>,
    /// The servers that could not be measured, and why.
    pub(crate) failures: Vec<(Server, String)>,
}

impl Measured<'_> {
    /// The median, over the rounds, of `one`'s CPU time divided by `other`'s in the same round.
    fn ratio(&self, one: Server, other: Server) -> Option<f64> {
        let (one, other) = (self.turns.get(&one)?, self.turns.get(&other)?);
        median(
            one.iter()
                .zip(other)
                .map(|(one, other)| one.cpu_us / other.cpu_us),
        )
    }

    /// The ratio that a server would have to `other` which spent nothing but what the kernel takes for `other`: the least
    /// that there is with the same system calls.
    fn least(&self, other: Server) -> Option<f64> {
        let turns = self.turns.get(&other)?;
        median(turns.iter().map(|turn| turn.kernel_us / turn.cpu_us))
    }

    fn figure(&self, server: Server, of: impl Fn(&Turn) -> f64) -> Option<f64> {
        median(self.turns.get(&server)?.iter().map(of))
    }

    fn target(&self, other: Server) -> Option<f64> {
        match other {
            Server::Tidegate => None,
            Server::Haproxy => Some(self.case.targets.haproxy),
            Server::Nginx => self.case.targets.nginx,
            Server::Floor => self.case.targets.floor,
        }
    }
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(*upper);
    }
    Some((values.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

/// The tables, in Markdown.
pub(crate) fn tables(results: &[Measured<'_>]) -> String {
    let mut page = String::from(
        "CPU time of Tidegate per request, divided by that of the others in the same round (in brackets the target, \
         with `!` where it is missed); the least is the kernel's part of HAProxy's, which is what a program would take that did \
         nothing itself:\n\n\
         | case | / haproxy | the least | / nginx | / floor | haproxy / floor | nginx / haproxy |\n|---|---|---|---|---|---|---|\n",
    );
    for result in results {
        let ours = |other| verdict(result.ratio(Server::Tidegate, other), result.target(other));
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} |",
            result.case.title,
            ours(Server::Haproxy),
            number(result.least(Server::Haproxy)),
            ours(Server::Nginx),
            ours(Server::Floor),
            number(result.ratio(Server::Haproxy, Server::Floor)),
            number(result.ratio(Server::Nginx, Server::Haproxy)),
        );
    }
    page.push_str(
        "\nMicroseconds of CPU per request, those of the kernel among them, and the share of its core that the server had used:\n\n\
         | case | tidegate | haproxy | nginx | floor |\n|---|---|---|---|---|\n",
    );
    for result in results {
        let cells = Server::ALL.map(|server| {
            let figure = |of: fn(&Turn) -> f64| result.figure(server, of);
            let (all, kernel) = (figure(|turn| turn.cpu_us), figure(|turn| turn.kernel_us));
            match (all, kernel, figure(|turn| turn.busy)) {
                (Some(all), Some(kernel), Some(busy)) => {
                    format!("{all:.1}, {kernel:.1} ({:.0} %)", busy * 100.0)
                }
                _ => "–".to_owned(),
            }
        });
        let _ = writeln!(page, "| {} | {} |", result.case.title, cells.join(" | "));
    }
    let failures = results
        .iter()
        .flat_map(|result| result.failures.iter().map(move |failure| (result.case, failure)));
    for (index, (case, (server, why))) in failures.enumerate() {
        let line = why.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            page,
            "{}- {} on {}: {line}",
            if index == 0 { "\nNot measured:\n\n" } else { "" },
            case.title,
            server.name()
        );
    }
    page
}

fn verdict(ratio: Option<f64>, target: Option<f64>) -> String {
    match (ratio, target) {
        (None, _) => "–".to_owned(),
        (Some(ratio), None) => format!("{ratio:.2}"),
        (Some(ratio), Some(target)) => {
            format!("{ratio:.2} ({target}){}", if ratio > target { " !" } else { "" })
        }
    }
}

fn number(ratio: Option<f64>) -> String {
    verdict(ratio, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cases::CASES;

    fn turns(cpu_us: &[f64]) -> Vec<Turn> {
        let turn = |&cpu_us: &f64| Turn {
            cpu_us,
            kernel_us: cpu_us * 0.75,
            busy: 0.97,
        };
        cpu_us.iter().map(turn).collect()
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        let result = Measured {
            case: &CASES[0],
            turns: BTreeMap::from([
                (Server::Tidegate, turns(&[5.0, 9.0, 10.0])),
                (Server::Haproxy, turns(&[10.0, 10.0, 40.0])),
            ]),
            failures: Vec::new(),
        };
        assert_eq!(result.ratio(Server::Tidegate, Server::Haproxy), Some(0.5));
        assert_eq!(result.ratio(Server::Tidegate, Server::Nginx), None);
    }

    #[test]
    fn medians_of_odd_even_and_none() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn the_page_shows_targets_missed_and_servers_that_failed() {
        let result = Measured {
            case: &CASES[0],
            turns: BTreeMap::from([
                (Server::Tidegate, turns(&[8.0])),
                (Server::Haproxy, turns(&[10.0])),
                (Server::Floor, turns(&[8.0])),
            ]),
            failures: vec![(Server::Nginx, "no\nmodule".to_owned())],
        };
        let page = tables(&[result]);
        assert!(
            page.contains("| plain return | 0.80 (0.7) ! | 0.75 | – | 1.00 (1.25) | 1.25 | – |"),
            "{page}"
        );
        assert!(
            page.contains("| plain return | 8.0, 6.0 (97 %) | 10.0, 7.5 (97 %) | – | 8.0, 6.0 (97 %) |"),
            "{page}"
        );
        assert!(page.contains("- plain return on nginx: no module"), "{page}");
    }
}
