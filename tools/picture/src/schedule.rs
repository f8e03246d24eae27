// SPDX-License-Identifier: BSD-2-Clause
//! Who runs when: per core, the highest priority first, with the share of time that each may take.

use crate::model::{Schedule, Thread};
use crate::svg::{CHAR, LINE, Rect, SMALL_CHAR, Svg, count};

/// Width of a bar that means all of the time.
const FULL: i64 = 300;

/// Draws `schedule`.
#[must_use]
pub fn schedule(schedule: &Schedule) -> String {
    let mut threads: Vec<&Thread> = schedule.threads.iter().collect();
    threads.sort_by_key(|thread| {
        (
            thread.core,
            std::cmp::Reverse(thread.priority),
            &thread.name,
        )
    });
    let names = threads.iter().map(|thread| thread.name.chars().count());
    let left = 70 + CHAR * count(names.max().unwrap_or(0).max(8));
    let mut svg = Svg::new();
    svg.text("title", 16, 26, &schedule.title);
    let mut y = 40;
    let mut core = None;
    for thread in threads {
        if core != Some(thread.core) {
            core = Some(thread.core);
            y += 2 * LINE;
            let head = format!("core {}", thread.core);
            svg.text("head", 16, y, &head);
            y += LINE;
            svg.text("small head", 16, y, "prio");
            svg.text("small head", 60, y, "thread");
            svg.text("small head", left, y, "share of time");
            svg.path("rule", &[(16, y + 4), (left + FULL + 220, y + 4)], "");
        }
        y += LINE + 4;
        draw(&mut svg, thread, left, y);
    }
    svg.finish(&schedule.title)
}

fn draw(svg: &mut Svg, thread: &Thread, left: i64, y: i64) {
    svg.text("small", 16, y, &thread.priority.to_string());
    svg.text("", 60, y, &thread.name);
    let whole = Rect {
        x: left,
        y: y - 11,
        w: FULL,
        h: 13,
    };
    svg.rect("free", whole, "");
    let limited = thread.budget_us < thread.period_us;
    if !thread.passive {
        let part = u128::from(thread.budget_us) * u128::from(FULL.unsigned_abs());
        let part = part / u128::from(thread.period_us.max(1));
        let part = i64::try_from(part).unwrap_or(FULL).clamp(1, FULL);
        let class = if limited { "bar" } else { "memory" };
        svg.rect(class, Rect { w: part, ..whole }, &share(thread));
    }
    let mut remark = share(thread);
    if let Some(domain) = &thread.domain {
        remark = format!("{remark}, domain {domain}");
    }
    if thread.vcpu {
        remark.push_str(", vCPU");
    }
    svg.text("small", left + FULL + SMALL_CHAR, y, &remark);
}

fn share(thread: &Thread) -> String {
    if thread.passive {
        return "passive: on its callers' time".to_owned();
    }
    let time = |us: u64| match us.is_multiple_of(1000) {
        true => format!("{} ms", us / 1000),
        false => format!("{us} us"),
    };
    let (budget, period) = (time(thread.budget_us), time(thread.period_us));
    match thread.budget_us < thread.period_us {
        true => {
            let percent = u128::from(thread.budget_us) * 100 / u128::from(thread.period_us);
            format!("{budget} in {period}, {percent} %")
        }
        false => format!("no limit, slices of {period}"),
    }
}
