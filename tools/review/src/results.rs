// SPDX-License-Identifier: BSD-2-Clause
//! Items 40 and 46: results of tests and measurements that were given.

use serde_json::Value;

use crate::derive::{ReviewError, read};
use crate::html::escape;
use crate::package::Package;
use crate::table::{Table, or_dash};

/// `cargo bulkhead test --format json`, as it was given (recorded).
pub const TESTS: &str = "40-tests.json";
/// `cargo bulkhead bench --format json`, as it was given (recorded).
pub const BENCH: &str = "46-bench.json";

/// Results of mutation testing, as they are in the tree (recorded).
pub const MUTANTS: &str = "42-mutants.json";

/// Item 42; nothing without results.
pub(crate) fn mutants(package: &Package) -> Result<Option<Table>, ReviewError> {
    let Some(results): Option<Value> = read(package, MUTANTS)? else {
        return Ok(None);
    };
    let mut table = Table::new(
        "Mutation testing of the checkers",
        "tests/mutants.json of the tree: small mistakes put into the checkers one by one, and whether their tests noticed. Unviable ones do \
         not compile and do not count; a timeout counts as noticed. The interval is Wilson's, for all mutants of the crate. \
         Run by hand and not by this command; each row says of which commit and sample it is.",
        "crate|commit|mutants|tested|killed|survived|unviable|timeouts|killed %|95 % interval|sample|tool",
    );
    let runs = results["runs"].as_array().into_iter().flatten();
    let again = Some(&results["after_new_tests"]).filter(|it| it.is_object());
    for run in runs.chain(again) {
        table.push(run_of(run, &results["tool"]));
    }
    Ok(Some(table))
}

/// The row of one run.
fn run_of(run: &Value, tool: &Value) -> [String; 12] {
    let text = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
    let known = |name: &str| or_dash(run[name].as_u64().map(|it| it.to_string()));
    let (tested, killed) = (number(&run["tested"]), number(&run["killed"]));
    let tenths = killed.saturating_mul(1000).checked_div(tested);
    let percent = tenths.map(|it| format!("{}.{}", it / 10, it % 10));
    let sample = if run["sample"].is_string() {
        "sample"
    } else {
        "what"
    };
    [
        text("crate"),
        text("commit"),
        known("mutants_in_crate"),
        tested.to_string(),
        killed.to_string(),
        tested.saturating_sub(killed).to_string(),
        known("unviable"),
        known("timeouts"),
        or_dash(percent),
        or_dash(interval(killed, tested)),
        text(sample),
        tool.as_str().unwrap_or_default().to_owned(),
    ]
}

/// Wilson's interval at 95 % for a share of `killed` among `tested`, in percent.
fn interval(killed: u64, tested: u64) -> Option<String> {
    let float = |it: u64| u32::try_from(it).ok().map(f64::from);
    let (killed, tested) = (float(killed)?, float(tested).filter(|it| *it > 0.0)?);
    let (z, share) = (1.96_f64, killed / tested);
    let scale = 1.0 + z * z / tested;
    let middle = (share + z * z / (2.0 * tested)) / scale;
    let spread = share * (1.0 - share) / tested + z * z / (4.0 * tested * tested);
    let half = z * spread.max(0.0).sqrt() / scale;
    let (low, high) = ((middle - half) * 100.0, (middle + half) * 100.0);
    Some(format!("{:.1} to {:.1}", low.max(0.0), high.min(100.0)))
}

/// Writes item 40 and counts; nothing without results.
pub(crate) fn tests(package: &mut Package) -> Result<Option<(u64, u64)>, ReviewError> {
    let Some(results): Option<Value> = read(package, TESTS)? else {
        return Ok(None);
    };
    let steps = results["steps"].as_array().cloned().unwrap_or_default();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    let (mut passed, mut failed) = (0_u64, 0_u64);
    for step in &steps {
        passed = passed.saturating_add(number(&step["passed"]));
        failed = failed.saturating_add(number(&step["failed"]));
        xml.push_str(&suite(step));
    }
    xml.push_str("</testsuites>\n");
    package.put("40-tests.xml", xml);
    // Results without any test are no results.
    let none = passed.saturating_add(failed) == 0;
    Ok(Some(if none { (0, 1) } else { (passed, failed) }))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// A step as a suite of one case, which says what failed.
fn suite(step: &Value) -> String {
    let name = escape(step["name"].as_str().unwrap_or_default());
    let counts = ["passed", "failed", "skipped"].map(|field| number(&step[field]));
    let [good, bad, skipped] = counts;
    let all: u64 = counts.iter().sum();
    let details = step["details"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let details: Vec<&str> = details.iter().filter_map(Value::as_str).collect();
    let text = escape(&details.join("\n"));
    let result = match (bad, good) {
        (0, 0) => format!("<skipped>{text}</skipped>"),
        (0, _) => String::new(),
        _ => format!("<failure>{text}</failure>"),
    };
    format!(
        "  <testsuite name=\"{name}\" tests=\"{all}\" failures=\"{bad}\" skipped=\"{skipped}\">\n    <testcase name=\"{name}\" \
         classname=\"bulkhead\">{result}</testcase>\n  </testsuite>\n"
    )
}

/// Item 46; nothing without figures.
pub(crate) fn timing(package: &Package) -> Result<Option<Table>, ReviewError> {
    let Some(figures): Option<Value> = read(package, BENCH)? else {
        return Ok(None);
    };
    let mut table = Table::new(
        "Instruction counts",
        "cargo bulkhead bench: INSTRUCTIONS COUNTED ON QEMU (TCG), no time and no evidence of timing. The last column is for a board.",
        "figure|value|where|on the board",
    );
    flatten("", &figures, &mut table);
    Ok(Some(table))
}

/// One row per number.
fn flatten(path: &str, value: &Value, table: &mut Table) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&below(name), value, table);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                let name = value["name"]
                    .as_str()
                    .map_or_else(|| index.to_string(), str::to_owned);
                flatten(&below(&name), value, table);
            }
        }
        Value::Number(number) => {
            table.push([
                path.to_owned(),
                number.to_string(),
                "QEMU, TCG".to_owned(),
                "not measured".to_owned(),
            ]);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_escaped() {
        let mut package = Package::default();
        package.put(
            TESTS,
            r#"{"steps":[{"name":"a<b","passed":2,"failed":1,"skipped":0,"details":["x & y"]},{"name":"c","passed":0,"failed":0,"skipped":1}]}"#,
        );
        assert_eq!(super::tests(&mut package).unwrap(), Some((2, 1)));
        let xml = package.text("40-tests.xml").unwrap();
        assert!(xml.contains("a&lt;b") && xml.contains("<failure>x &amp; y</failure>"));
        assert!(xml.contains("<skipped></skipped>"));
    }

    #[test]
    fn no_results_do_not_pass() {
        let mut package = Package::default();
        package.put(TESTS, "{}");
        assert_eq!(super::tests(&mut package).unwrap(), Some((0, 1)));
    }

    #[test]
    fn mutation_scores_are_counted_again() {
        let mut package = Package::default();
        package.put(
            MUTANTS,
            r#"{"tool":"t 1","runs":[{"crate":"audit","commit":"1","mutants_in_crate":1536,"tested":81,"killed":69,"killed_percent":99,
                "unviable":16,"timeouts":0,"sample":"some"},{"crate":"sdf"}],
                "after_new_tests":{"crate":"audit","commit":"2","tested":80,"killed":74,"what":"again"}}"#,
        );
        let table = mutants(&package).unwrap().unwrap();
        let rows: Vec<String> = table.rows.iter().map(|row| row.join(" ")).collect();
        assert_eq!(
            rows,
            [
                "audit 1 1536 81 69 12 16 0 85.1 75.9 to 91.3 some t 1",
                "sdf  - 0 0 0 - - - -  t 1",
                "audit 2 - 80 74 6 - - 92.5 84.6 to 96.5 again t 1",
            ]
        );
    }

    /// Worked with the formula of Wilson (JASA 22, 1927) by hand, and what all or none leave open.
    #[test]
    fn few_mutants_leave_a_wide_interval() {
        assert_eq!(interval(9, 10).as_deref(), Some("59.6 to 98.2"));
        assert_eq!(interval(10, 10).as_deref(), Some("72.2 to 100.0"));
        assert_eq!(interval(0, 10).as_deref(), Some("0.0 to 27.8"));
        assert_eq!(interval(0, 0), None);
    }

    #[test]
    fn every_figure_says_where_it_is_from() {
        let mut package = Package::default();
        package.put(BENCH, r#"{"operations":[{"name":"exit","cost":12}]}"#);
        let table = timing(&package).unwrap().unwrap();
        assert_eq!(
            table.rows,
            [["operations.exit.cost", "12", "QEMU, TCG", "not measured"]]
        );
    }
}
