// SPDX-License-Identifier: BSD-2-Clause
//! The table and the JSON document.

use std::fmt;

use host::{Outcome, provision};
use serde_json::{Map, Value, json};

use crate::peers::{self, Peer};
use crate::run::Measured;
use crate::suite::{Cost, OPERATIONS};

/// The kind of document; raised when a reader would misunderstand the new one.
const SCHEMA: u32 = 1;
/// Nanoseconds between two ticks of the guest's kernel (250 Hz).
const TICK_NS: f64 = 4e6;

/// What was measured, beside what others published.
#[derive(Debug, Clone)]
pub struct Report {
    measured: Vec<Measured>,
    peers: Vec<Peer>,
}

impl Report {
    /// `measured` starts with the native machine, which ratios refer to.
    pub(crate) fn new(measured: Vec<Measured>) -> Outcome<Self> {
        Ok(Self {
            measured,
            peers: peers::load()?,
        })
    }

    /// What the targets did, the native machine first.
    pub fn measured(&self) -> &[Measured] {
        &self.measured
    }

    /// The machine-readable form.
    pub fn to_json(&self) -> Value {
        let version = provision::installed_qemu().map(|version| version.to_string());
        json!({
            "schema": SCHEMA,
            "unit": "instructions per operation (QEMU TCG, icount shift=0)",
            "qemu": version,
            "targets": self.measured.iter().map(|m| self.target_json(m)).collect::<Vec<_>>(),
            "peers": self.peers,
        })
    }

    fn target_json(&self, measured: &Measured) -> Value {
        let ratios: Map<String, Value> = measured
            .costs
            .iter()
            .filter_map(|(id, cost)| {
                let peers = self.peers.iter().filter_map(|peer| {
                    let figure = peer.operations.get(*id)?;
                    Some((peer.name.clone(), json!(ratio(cost.total, figure.total)?)))
                });
                let mut all: Map<String, Value> = peers.collect();
                let native = ratio(cost.total, self.native(id)?.total)?;
                all.insert("native".into(), json!(native));
                Some(((*id).to_owned(), Value::Object(all)))
            })
            .collect();
        json!({
            "name": measured.target.name,
            "description": measured.target.description,
            "operations": measured.costs,
            "ratios": ratios,
            "derived": derived(self.measured.first(), measured),
            "programs": measured.lines,
        })
    }

    fn native(&self, id: &str) -> Option<&Cost> {
        self.measured.first()?.costs.get(id)
    }

    fn columns(&self) -> Vec<String> {
        let mut columns = vec!["instructions per operation".to_owned()];
        for (index, measured) in self.measured.iter().enumerate() {
            columns.push(measured.target.name.clone());
            if index > 0 {
                columns.push("/ native".into());
            }
        }
        for peer in &self.peers {
            columns.push(peer.name.clone());
            columns.push("/ native".into());
        }
        columns
    }

    fn row(&self, id: &str, title: &str) -> Option<Vec<String>> {
        let native = self.native(id).map(|cost| cost.total);
        let costs = self
            .measured
            .iter()
            .map(|m| m.costs.get(id).map(|cost| cost.total));
        let figures = self
            .peers
            .iter()
            .map(|p| p.operations.get(id).map(|figure| figure.total));
        let mut cells = vec![title.to_owned()];
        for (index, value) in costs.chain(figures).enumerate() {
            cells.push(value.map_or("-".into(), number));
            if index > 0 {
                let ratio = value
                    .zip(native)
                    .and_then(|(value, native)| ratio(value, native));
                cells.push(ratio.map_or("-".into(), times));
            }
        }
        let measured_at_all = self.measured.iter().any(|m| m.costs.contains_key(id));
        measured_at_all.then_some(cells)
    }

    fn breakdown(&self, measured: &Measured) -> Vec<Vec<String>> {
        let titles = ["guest", "kernel", "VMM", "other PDs", "entries"];
        let mut rows = vec![vec![measured.target.name.clone()]];
        rows[0].extend(titles.map(str::to_owned));
        for op in OPERATIONS {
            if let Some(cost) = measured.costs.get(op.id) {
                let parts = [
                    cost.guest,
                    cost.kernel,
                    cost.vmm,
                    cost.domains,
                    cost.entries,
                ];
                let mut row = vec![op.title.to_owned()];
                row.extend(parts.map(number));
                rows.push(row);
            }
        }
        rows
    }
}

/// Figures that are not the cost of one operation.
fn derived(native: Option<&Measured>, measured: &Measured) -> Value {
    let line = |name: &str| measured.lines.iter().find(|line| line.name == name);
    let late = |key| line("cyclic").and_then(|line| line.number(key));
    // The spin is interrupted by ticks only, so what it costs above native is theirs.
    let tick = || {
        let native = native?;
        let more = measured.costs.get("cpu")?.total - native.costs.get("cpu")?.total;
        let ticks = line("cpu")?.number("total_ns")? / TICK_NS;
        (native.target.name != measured.target.name && ticks >= 1.0).then(|| more / ticks)
    };
    json!({
        "cyclic-late-mean": late("mean"),
        "cyclic-late-max": late("max"),
        "tick-over-native": tick(),
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![self.columns()];
        rows.extend(OPERATIONS.iter().filter_map(|op| self.row(op.id, op.title)));
        table(f, &rows)?;
        for measured in self.measured.iter().skip(1) {
            writeln!(f)?;
            table(f, &self.breakdown(measured))?;
        }
        writeln!(f)?;
        for measured in &self.measured {
            let figures = derived(self.measured.first(), measured);
            write!(f, "{}:", measured.target.name)?;
            for (name, figure) in figures.as_object().into_iter().flatten() {
                if let Some(value) = figure.as_f64() {
                    write!(f, "  {name} {}", number(value))?;
                }
            }
            writeln!(f)?;
        }
        for peer in &self.peers {
            writeln!(f, "{}: {}", peer.name, peer.description)?;
        }
        Ok(())
    }
}

fn ratio(value: f64, base: f64) -> Option<f64> {
    (base > 0.0).then(|| value / base)
}

fn times(ratio: f64) -> String {
    match ratio {
        0.0..10.0 => format!("{ratio:.3}"),
        _ => format!("{ratio:.0}"),
    }
}

/// Small figures with two digits, others whole and in groups of three.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

/// The first column to the left, the others to the right.
fn table(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => write!(f, "{cell:width$}")?,
                _ => write!(f, "  {cell:>width$}")?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console;
    use crate::target;
    use std::collections::BTreeMap;

    fn measured(name: &str, read: f64, spin: f64) -> Measured {
        let cost = |total: f64| Cost {
            total,
            guest: total / 2.0,
            kernel: total / 2.0,
            vmm: 0.0,
            domains: 0.0,
            entries: 3.0,
            parts: BTreeMap::new(),
        };
        Measured {
            target: target::example(name),
            costs: [("mmio-read", cost(read)), ("cpu", cost(spin))].into(),
            lines: console::lines("GB cpu total_ns=400000000\nGB cyclic mean=4833 max=16592\n"),
        }
    }

    #[test]
    fn ratios_refer_to_the_native_machine() {
        let report = Report::new(vec![
            measured("native", 4.0, 4e8),
            measured("dev", 3000.0, 4.005e8),
        ]);
        let report = report.unwrap();
        let json = report.to_json();
        let dev = &json["targets"][1];
        assert_eq!(dev["ratios"]["mmio-read"]["native"], 750.0);
        assert_eq!(dev["ratios"]["mmio-read"]["libvmm"], 3000.0 / 4493.0);
        assert_eq!(dev["derived"]["tick-over-native"], 5000.0);
        assert_eq!(
            json["targets"][0]["derived"]["tick-over-native"],
            Value::Null
        );
        let text = report.to_string();
        assert!(text.contains("emulated register read (GICD)"), "{text}");
        assert!(
            !text.contains("disk 4 KiB"),
            "operations that nobody ran are left out: {text}"
        );
    }

    #[test]
    fn numbers_are_readable() {
        for (value, text) in [
            (0.0, "0"),
            (6.1, "6.10"),
            (-3.5, "-3.50"),
            (999.6, "1,000"),
            (1_344_000_000.0, "1,344,000,000"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
