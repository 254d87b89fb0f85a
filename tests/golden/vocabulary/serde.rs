//! What serde calls a field or a variant, told from its attributes.

use regex_lite::Regex;

/// What is between the brackets of attributes of a name: `rename_all = "snake_case" , tag = "x"`.
pub fn inside(attrs: &[syn::Attribute], name: &str) -> String {
    let all = attrs
        .iter()
        .filter(|attr| attr.path().is_ident(name))
        .filter_map(|attr| attr.meta.require_list().ok());
    all.map(|list| list.tokens.to_string()).collect::<Vec<_>>().join(" , ")
}

/// The value of `key = "value"`.
pub fn set(attributes: &str, key: &str) -> Option<String> {
    let pattern = Regex::new(&format!(r#"(^|[ ,(]){key} = "([^"]*)""#)).expect("a pattern");
    pattern.captures(attributes).map(|found| found[2].to_owned())
}

pub fn has(attributes: &str, word: &str) -> bool {
    attributes.split(',').any(|one| one.trim() == word || one.trim().starts_with(&format!("{word} =")))
}

/// By serde's rules; `is_variant` says how the identifier is written.
pub fn renamed(name: &str, rule: Option<&str>, is_variant: bool) -> String {
    let snake = if is_variant {
        name.char_indices().fold(String::new(), |mut out, (at, c)| {
            if c.is_uppercase() && at > 0 {
                out.push('_');
            }
            out.extend(c.to_lowercase());
            out
        })
    } else {
        name.to_owned()
    };
    let pascal =
        || -> String { snake.split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect() };
    match rule {
        None => name.to_owned(),
        Some("lowercase") => name.to_lowercase(),
        Some("UPPERCASE") => name.to_uppercase(),
        Some("snake_case") => snake,
        Some("kebab-case") => snake.replace('_', "-"),
        Some("PascalCase") => pascal(),
        Some("camelCase") => pascal()[..1].to_lowercase() + &pascal()[1..],
        Some(other) => panic!("teach this test serde's rule {other}"),
    }
}

/// Fields in their order, which is that of the JSON: `?` behind one that may be missing when it is read, `~`
/// behind one that may be left out when it is written.
pub fn fields(fields: &syn::Fields, rule: Option<&str>, has_defaults: bool) -> String {
    let named = match fields {
        syn::Fields::Unit => return String::new(),
        syn::Fields::Unnamed(fields) => return format!("({})", fields.unnamed.len()),
        syn::Fields::Named(fields) => fields,
    };
    let mut out = Vec::new();
    for field in &named.named {
        let serde = inside(&field.attrs, "serde");
        let name = field.ident.as_ref().expect("a named field").to_string();
        let name = name.trim_start_matches("r#");
        if has(&serde, "skip") {
            continue;
        }
        if has(&serde, "flatten") {
            out.push("..".to_owned());
            continue;
        }
        let mut name = set(&serde, "rename").unwrap_or_else(|| renamed(name, rule, false));
        if has_defaults || has(&serde, "default") {
            name.push('?');
        }
        if has(&serde, "skip_serializing_if") {
            name.push('~');
        }
        out.push(name);
    }
    format!("{{{}}}", out.join(", "))
}

pub fn is_serde(attrs: &[syn::Attribute]) -> bool {
    let derives = inside(attrs, "derive").replace(' ', "");
    derives.split(',').any(|one| matches!(one.rsplit("::").next(), Some("Serialize" | "Deserialize")))
}

/// What serde is given, for what does not stand in a name.
pub fn shape(serde: &str) -> String {
    let mut shape: Vec<String> =
        ["tag", "content"].iter().filter_map(|key| Some(format!("{key}={}", set(serde, key)?))).collect();
    let marks =
        ["untagged", "transparent", "deny_unknown_fields"].into_iter().filter(|mark| has(serde, mark));
    shape.extend(marks.map(str::to_owned));
    if shape.is_empty() { String::new() } else { format!("{}: ", shape.join(" ")) }
}
