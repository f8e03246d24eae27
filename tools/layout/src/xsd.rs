// SPDX-License-Identifier: BSD-2-Clause
//! The table as an XML Schema, for editors and for who does not have this tool.
//!
//! It is as strict about form as the tool; names are unique in it; ranges and references need the tool. Elements of plain SDF
//! are let through: Microkit publishes no schema of them.

use crate::schema::{self, Attribute, Count, Element, Need};
use std::fmt::Write as _;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-License-Identifier: BSD-2-Clause -->
<!-- Written from tools/layout/src/schema.rs by `BLESS=1 cargo test -p layout`. -->
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="system">
    <xs:complexType>
      <xs:group ref="top" minOccurs="0" maxOccurs="unbounded"/>
      <xs:attribute name="name" type="xs:string"/>
    </xs:complexType>
    <xs:unique name="names">
      <xs:selector xpath="driver|service|guest|protection_domain"/>
      <xs:field xpath="@name"/>
    </xs:unique>
  </xs:element>
  <xs:element name="fragment">
    <xs:complexType>
      <xs:group ref="top" minOccurs="0" maxOccurs="unbounded"/>
    </xs:complexType>
  </xs:element>
  <xs:complexType name="plain">
    <xs:sequence>
      <xs:any minOccurs="0" maxOccurs="unbounded" processContents="skip"/>
    </xs:sequence>
    <xs:anyAttribute processContents="skip"/>
  </xs:complexType>
"#;

/// The schema.
#[must_use]
pub fn schema() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("  <xs:group name=\"top\">\n    <xs:choice>\n");
    for element in schema::TOP {
        line(
            &mut out,
            6,
            &format!("<xs:element name=\"{0}\" type=\"{0}\"/>", element.name),
        );
    }
    for plain in sdf::parse::TOP {
        line(
            &mut out,
            6,
            &format!("<xs:element name=\"{plain}\" type=\"plain\"/>"),
        );
    }
    out.push_str("    </xs:choice>\n  </xs:group>\n");
    for element in schema::all() {
        complex_type(&mut out, element);
    }
    out.push_str("</xs:schema>\n");
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:depth$}{text}", "");
}

fn complex_type(out: &mut String, element: &Element) {
    line(
        out,
        2,
        &format!("<xs:complexType name=\"{}\">", element.name),
    );
    documentation(out, 4, element.doc);
    if !element.children.is_empty() {
        // Any order, any number: XML Schema 1.0 has no `all` with more than one of a kind, so the
        // numbers are checked by the tool alone.
        line(
            out,
            4,
            "<xs:choice minOccurs=\"0\" maxOccurs=\"unbounded\">",
        );
        for (child, count) in element.children {
            let times = match count {
                Count::One => "exactly once",
                Count::Maybe => "at most once",
                Count::Any => "any number",
            };
            let name = child.name;
            let text = format!("<xs:element name=\"{name}\" type=\"{name}\"/><!-- {times} -->");
            line(out, 6, &text);
        }
        line(out, 4, "</xs:choice>");
    }
    for attr in element.all_attributes() {
        attribute(out, attr);
    }
    line(out, 2, "</xs:complexType>");
}

fn attribute(out: &mut String, attr: &Attribute) {
    let usage = match attr.need {
        Need::Required => " use=\"required\"".to_owned(),
        Need::Optional(_) => String::new(),
        Need::Default(value) => format!(" default=\"{value}\""),
    };
    line(
        out,
        4,
        &format!("<xs:attribute name=\"{}\"{usage}>", attr.name),
    );
    documentation(out, 6, &format!("{} ({})", attr.doc, attr.kind.describe()));
    line(out, 6, "<xs:simpleType>");
    line(out, 8, "<xs:restriction base=\"xs:string\">");
    line(
        out,
        10,
        &format!("<xs:pattern value=\"{}\"/>", escape(&attr.kind.pattern())),
    );
    line(out, 8, "</xs:restriction>");
    line(out, 6, "</xs:simpleType>");
    line(out, 4, "</xs:attribute>");
}

fn documentation(out: &mut String, depth: usize, text: &str) {
    let text = escape(text);
    let text =
        format!("<xs:annotation><xs:documentation>{text}</xs:documentation></xs:annotation>");
    line(out, depth, &text);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
