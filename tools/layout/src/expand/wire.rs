// SPDX-License-Identifier: BSD-2-Clause
//! Conversations made real: regions, mappings, channels, and what the records say of them.

use super::Expansion;
use super::guests::ram_name;
use super::join::Join;
use super::parts::region;
use super::pd::{Pd, READ, Rank, WRITE};
use super::settings;
use crate::manifest::{Link, Side};
use crate::rules::ROOM;
use sdf::model::{Channel, ChannelEnd, RecordTarget};
use sdf::{Span, Spanned};

/// One end of a conversation.
struct End {
    pd: usize,
    link: Link,
    /// Its role, with the client's name or slot in place.
    role: String,
    rank: Rank,
}

/// Connects every client with its server. The result are the guests whose RAM a device reaches.
pub(super) fn connect(work: &mut Expansion<'_>, joins: &[Join]) -> Vec<usize> {
    let mut reached = Vec::new();
    for join in joins {
        let client = end(work, join, join.client);
        let server = end(work, join, join.server);
        if let Some(announce) = &server.link.announce {
            work.pds[server.pd].tell_text(server.rank, announce, &join.name);
        }
        direction(work, &client, &server);
        direction(work, &server, &client);
        channel(work, &client, &server, join.name.span);
        if let (Some(window), Some(guest)) = (&server.link.window, work.pds[client.pd].guest) {
            let role = fill(window, work, join);
            let ram = ram_name(&work.layout.guests[guest]);
            work.pds[server.pd].tell_window(server.rank, &role, &ram);
            reached.push(guest);
        }
        settings::of_client(work, join, &server.link, &server.role);
    }
    reached
}

/// `template` with the client's name and slot.
pub(super) fn fill(template: &str, work: &Expansion<'_>, join: &Join) -> String {
    let slot = work.pds[join.client.0].slot.unwrap_or(0);
    template
        .replace("{name}", &join.name.value)
        .replace("{slot}", &slot.to_string())
}

fn end(work: &Expansion<'_>, join: &Join, (pd, at): (usize, usize)) -> End {
    let mut link = work.pds[pd].manifest.link[at].clone();
    for role in [&mut link.out_role, &mut link.in_role]
        .into_iter()
        .flatten()
    {
        *role = fill(role, work, join);
    }
    let is_server = link.side == Side::Server;
    End {
        pd,
        role: fill(&link.role, work, join),
        rank: if is_server { join.rank } else { Rank::First },
        link,
    }
}

/// The region that `writer` writes and `reader` reads, if there is one.
fn direction(work: &mut Expansion<'_>, writer: &End, reader: &End) {
    let Some(size) = writer.link.out else { return };
    let span = work.pds[writer.pd].span;
    let name = free_name(work, writer.pd, reader.pd);
    let roles = [
        (writer, writer.link.out_role.clone(), ".out", WRITE),
        (reader, reader.link.in_role.clone(), ".in", READ),
    ];
    for (end, role, suffix, perms) in roles {
        let role = role.unwrap_or_else(|| format!("{}{suffix}", end.role));
        let pd: &mut Pd<'_> = &mut work.pds[end.pd];
        let Some(vaddr) = pd.ring_address(size) else {
            let message = format!("`{}` has no address space left", pd.name.value);
            work.report(&ROOM, span, message);
            return;
        };
        pd.map(&name, vaddr, perms, true);
        pd.tell_region(end.rank, &role, &name);
        if end.link.dma {
            pd.tell_window(end.rank, &role, &name);
        }
    }
    let region = region(&name, size, None, span);
    work.system.memory_regions.push(region);
}

/// `<writer>_to_<reader>`, with a number from the second conversation on.
fn free_name(work: &Expansion<'_>, writer: usize, reader: usize) -> String {
    let (writer, reader) = (&work.pds[writer].name, &work.pds[reader].name);
    let plain = format!("{}_to_{}", writer.value, reader.value);
    let is_free = |name: &String| work.system.memory_region(name).is_none();
    let numbered = (2_u32..).map(|number| format!("{plain}_{number}"));
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    names.find(is_free).unwrap_or(plain)
}

fn channel(work: &mut Expansion<'_>, client: &End, server: &End, span: Span) {
    let mut ends = Vec::new();
    let names = [server, client].map(|end| work.pds[end.pd].name.clone());
    // Which of several channels between the two this is, counted from 0.
    let same = |channel: &&Channel| {
        let between = |a: &str, b: &str| *channel.ends[0].pd == a && *channel.ends[1].pd == b;
        between(&names[0], &names[1]) || between(&names[1], &names[0])
    };
    let before = work.system.channels.iter().filter(same).count();
    for (end, peer) in [(client, &names[0]), (server, &names[1])] {
        let pd = &mut work.pds[end.pd];
        let Some(id) = pd.next_id() else {
            let message = format!(
                "`{}` has more than 62 channels and interrupts",
                pd.name.value
            );
            work.report(&ROOM, span, message);
            return;
        };
        let n = u64::try_from(before).ok().map(|n| Spanned::new(n, span));
        let target = RecordTarget::Channel {
            pd: Spanned::new(peer.value.clone(), pd.span),
            n: n.filter(|_| before > 0),
        };
        pd.tell(end.rank, &end.role, target);
        ends.push(ChannelEnd {
            span: pd.span,
            pd: Spanned::new(pd.name.value.clone(), pd.span),
            id: Spanned::new(id, pd.span),
            pp: Spanned::new(end.link.call, pd.span),
            notify: Spanned::new(true, pd.span),
            setvar_id: None,
        });
    }
    if let Ok(ends) = <[ChannelEnd; 2]>::try_from(ends) {
        let span = work.pds[client.pd].span;
        work.system.channels.push(Channel { span, ends });
    }
}
