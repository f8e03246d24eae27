// SPDX-License-Identifier: BSD-2-Clause
//! The trace table as text and as JSON.

use std::fmt::{self, Write};

use crate::{Lack, Row, Status, Totals, Trace};

impl Trace {
    /// The table as JSON with line breaks; the same table gives the same bytes.
    ///
    /// # Errors
    /// None that a table can cause; the type is that of the library below.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// The table for people: a line per requirement, then what it lacks.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_human(&self, out: &mut impl Write) -> fmt::Result {
        for family in &self.families {
            writeln!(out, "{}: {}", family.letters, family.title)?;
            let rows = self.rows.iter();
            for row in rows.filter(|row| row.requirement.id.family() == family.letters) {
                write_row(row, out)?;
            }
            writeln!(out)?;
        }
        for orphan in &self.orphans {
            let lacks = match orphan.lacks {
                Lack::Test => "no test",
                Lack::Code => "no code",
            };
            let reason = orphan.accepted.as_deref().unwrap_or("not accepted");
            writeln!(out, "{} has {lacks}: {reason}", orphan.id)?;
        }
        writeln!(out, "{}", self.totals)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requirements: {} offered ({} with tests, {} with code that names them), {} deviate, \
             {} not offered",
            self.requirements,
            self.offered,
            self.tested,
            self.located,
            self.deviating,
            self.not_offered
        )
    }
}

fn write_row(row: &Row, out: &mut impl Write) -> fmt::Result {
    let requirement = &row.requirement;
    let id = &requirement.id;
    match requirement.status {
        Status::NotOffered => return writeln!(out, "  {id}  not offered  {}", requirement.remark),
        Status::Deviates => writeln!(out, "  {id}  deviates     {}", requirement.remark)?,
        Status::Offered => writeln!(out, "  {id}  offered      {}", requirement.text)?,
    }
    for place in &row.code {
        writeln!(out, "         code  {}:{}", place.file, place.line)?;
    }
    for test in &row.tests {
        let place = &test.place;
        writeln!(
            out,
            "         test  {} ({}:{})",
            test.name, place.file, place.line
        )?;
    }
    Ok(())
}
