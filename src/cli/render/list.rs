//! Lists: rows of fields, shown through a template as docker's `--format` does it.

use serde_json::{Map, Value};

use super::table;
use crate::cli::template::{Template, TemplateError};
use crate::model::json::json_line;

/// The shape of a list: its fields with their headings, and the columns of the default table.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// Field name and heading, of every field a template may use.
    pub fields: &'static [(&'static str, &'static str)],
    /// Fields of the default table, in order.
    pub table: &'static [&'static str],
}

/// One line of a list.
pub type Row = Map<String, Value>;

impl Columns {
    /// The rows as text. `format` is the value of `--format`: nothing, `table`, `table TEMPLATE`,
    /// `json`, or a template.
    pub fn render(self, format: Option<&str>, rows: &[Row]) -> Result<String, TemplateError> {
        let format = format.unwrap_or("table").trim();
        if format == "json" {
            return Ok(rows.iter().map(|row| json_line(&Value::Object(row.clone())) + "\n").collect());
        }
        let is_table = format == "table" || format.starts_with("table ") || format.starts_with("table\t");
        let template = match format.strip_prefix("table").filter(|_| is_table).map(str::trim_start) {
            Some("") => {
                self.table.iter().map(|name| format!("{{{{.{name}}}}}")).collect::<Vec<_>>().join("\t")
            }
            Some(rest) => unescape(rest),
            None => unescape(format),
        };
        let template = Template::parse(&template)?;
        let mut lines = Vec::with_capacity(rows.len() + 1);
        // Filled even if it is not shown: an empty list must not hide a mistake in the template.
        match template.render_header(&self.headings()) {
            Ok(header) if is_table => lines.push(header),
            Ok(_) => {}
            // Headings are all text, so a failed comparison with a number does not matter.
            Err(TemplateError::BadArgument { .. }) if !is_table => {}
            Err(error) => return Err(error),
        }
        for row in rows {
            lines.push(template.render(&Value::Object(row.clone()))?);
        }
        if is_table {
            return Ok(table::align(&lines));
        }
        Ok(lines.into_iter().map(|line| line + "\n").collect())
    }

    fn headings(self) -> Value {
        let pairs = self.fields.iter().map(|&(name, heading)| (name.to_owned(), heading.into()));
        Value::Object(pairs.collect())
    }
}

/// As with docker, `\t` and `\n` are a tab and a newline.
fn unescape(template: &str) -> String {
    template.replace("\\t", "\t").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: Columns = Columns {
        fields: &[("ID", "ID"), ("Name", "NAME"), ("State", "CURRENT STATE")],
        table: &["Name", "State"],
    };

    fn rows() -> Vec<Row> {
        [("1", "web.1", "Running"), ("2", "a-long-name.1", "Failed\n")]
            .map(|(id, name, state)| match json!({"ID": id, "Name": name, "State": state}) {
                Value::Object(row) => row,
                _ => unreachable!(),
            })
            .to_vec()
    }

    #[test]
    fn table_json_and_templates() {
        let show = |format| COLUMNS.render(format, &rows()).unwrap();
        let table = "NAME            CURRENT STATE\nweb.1           Running\na-long-name.1   Failed\\n\n";
        assert_eq!(show(None), table);
        assert_eq!(show(Some("table")), table);
        assert_eq!(
            show(Some(r"table {{.ID}}\t{{upper .Name}}")),
            "ID        NAME\n1         WEB.1\n2         A-LONG-NAME.1\n"
        );
        assert_eq!(show(Some("{{.ID}}:{{.Name}}")), "1:web.1\n2:a-long-name.1\n");
        assert_eq!(
            show(Some("json")),
            "{\"ID\":\"1\",\"Name\":\"web.1\",\"State\":\"Running\"}\n\
             {\"ID\":\"2\",\"Name\":\"a-long-name.1\",\"State\":\"Failed\\n\"}\n"
        );
        assert_eq!(show(Some("{{json .}}")), show(Some("json")));
    }

    #[test]
    fn a_wrong_field_is_found_without_rows() {
        assert!(matches!(COLUMNS.render(Some("{{.Nme}}"), &[]), Err(TemplateError::UnknownField { .. })));
        assert_eq!(COLUMNS.render(None, &[]).unwrap(), "NAME      CURRENT STATE\n");
    }
}
