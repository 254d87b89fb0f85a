//! Files that stackctl wrote, changed and with a checksum that is right again. Not by the program's own code: that may
//! be wrong.

use std::collections::BTreeMap;

use serde_json::Value;
use stackctl::model::ids::sha256_hex;

/// The file after `change`, with the checksum of what it is then.
pub fn resealed(text: &str, change: impl Fn(&mut Value)) -> String {
    let mut whole: Value = serde_json::from_str(text).expect("JSON");
    change(&mut whole);
    let map = whole.as_object_mut().expect("an object");
    map.remove("checksum");
    let ordered: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, in_order(value))).collect();
    let line = serde_json::to_string(&ordered).expect("JSON");
    whole["checksum"] = format!("sha256:{}", sha256_hex(line.as_bytes())).into();
    whole.to_string()
}

fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            fields.into_iter().map(|(key, value)| (key.clone(), in_order(value))).collect()
        }
        Value::Array(list) => list.iter().map(in_order).collect(),
        plain => plain.clone(),
    }
}
