//! `show peers`.

use std::time::Instant;

use tidegate_config::model::AccessLevel;
use tidegate_proxy::peers::{PeerView, SectionView, TableView};

use crate::runtime::command::{Answer, Call, Command, Refusal, served};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show peers", "[dict|-] [<section>]", AccessLevel::User, "show the peers that tables are shared with", show),
];

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let mut words = (0..).map_while(|at| call.text(at)).peekable();
    // Names are told anew on each connection: there is nothing more to be shown of them.
    words.next_if(|word| word == "dict" || word == "-");
    let wanted = words.next();
    let sections = plane.peers();
    if let Some(name) = &wanted
        && !sections.iter().any(|section| section.name == *name)
    {
        return Err(Refusal::error("No such peers"));
    }
    let meant = |section: &&SectionView| wanted.as_ref().is_none_or(|name| section.name == *name);
    let shown = sections.iter().enumerate().filter(|(_, section)| meant(section));
    Ok(shown
        .map(|(at, section)| text(at, section))
        .collect::<String>()
        .into())
}

fn text(at: usize, section: &SectionView) -> String {
    let mut out = format!(
        "{}: id={} disabled={}\n",
        number(at + 1, 0, 0),
        section.name,
        u8::from(section.disabled)
    );
    for (place, peer) in section.peers.iter().enumerate() {
        out += &of_peer(number(at + 1, place + 1, 0), peer);
        out += "        shared tables:\n";
        for (table, (name, view)) in section.tables.iter().zip(&peer.tables).enumerate() {
            out += &of_table(number(at + 1, place + 1, table + 1), table + 1, name, view);
        }
    }
    out
}

fn of_peer(number: String, peer: &PeerView) -> String {
    let direction = match (peer.is_local, peer.came_in) {
        (true, _) => "local",
        (false, true) => "remote,passive",
        (false, false) => "remote,active",
    };
    let greeted = peer.greeted.map_or("<NEVER>".to_owned(), |at| {
        format!("{}s", Instant::now().saturating_duration_since(at).as_secs())
    });
    format!(
        "  {number}: id={}({direction}) addr={} last_status={} last_hdshk={greeted}\n        tx_hbt={} rx_hbt={} no_hbt={} \
         new_conn={} proto_err={} coll={}\n",
        peer.name,
        peer.address,
        peer.status,
        peer.heartbeats_sent,
        peer.heartbeats_received,
        peer.silent,
        peer.connections,
        peer.errors,
        peer.collisions
    )
}

fn of_table(number: String, local_id: usize, name: &str, view: &TableView) -> String {
    format!(
        "          {number} local_id={local_id} remote_id={} last_acked={} last_pushed={} last_get={}\n              table: id={name}\n",
        view.remote_id, view.acknowledged, view.pushed, view.got
    )
}

/// A number that nothing else in the list has, where HAProxy shows an address.
fn number(section: usize, peer: usize, table: usize) -> String {
    format!("{:#x}", section << 24 | peer << 12 | table)
}
