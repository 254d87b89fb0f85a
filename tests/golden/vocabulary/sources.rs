//! Words in the sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex_lite::Regex;
use syn::visit::{self, Visit};

use super::serde::{fields, has, inside, is_serde, renamed, set, shape};

/// What was found in the sources.
#[derive(Default)]
pub struct Vocabulary {
    /// A line for each type that serde derives something for.
    pub types: Vec<String>,
    /// A line for each `json!({…})` with its keys, and the keys of `value["key"] = …`.
    pub keys: BTreeSet<String>,
    /// A line for each function that gives a word for each of several cases.
    pub words: BTreeSet<String>,
    /// All texts.
    pub literals: BTreeSet<String>,
}

fn sources() -> Vec<PathBuf> {
    fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Unit tests in files of their own.
            if name == "tests" || name == "tests.rs" || name == "testing.rs" || name == "fake.rs" {
                continue;
            }
            if path.is_dir() {
                collect(&path, files);
            } else if name.ends_with(".rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    files
}

pub fn all() -> Vocabulary {
    let mut found = Vocabulary::default();
    let files = sources();
    assert!(files.len() > 100, "only {} sources were found", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).expect("sources are text");
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.visit_file(&file);
    }
    found
}

pub fn of(text: &str) -> Vocabulary {
    let mut found = Vocabulary::default();
    found.visit_file(&syn::parse_file(text).expect("Rust"));
    found
}

fn is_of_tests(attrs: &[syn::Attribute]) -> bool {
    inside(attrs, "cfg") == "test"
}

impl Vocabulary {
    fn text(&mut self, tokens: &str) {
        let pattern = Regex::new(r#""((?:[^"\\]|\\.)*)""#).expect("a pattern");
        self.literals.extend(pattern.captures_iter(tokens).map(|found| found[1].to_owned()));
    }

    /// `match self { A => "a", B => "b" }` and nothing else.
    fn cases(&mut self, block: &syn::Block) {
        let [syn::Stmt::Expr(syn::Expr::Match(cases), None)] = block.stmts.as_slice() else { return };
        let mut words = BTreeSet::new();
        for arm in &cases.arms {
            match &*arm.body {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(word), .. }) => words.insert(word.value()),
                _ => return,
            };
        }
        // Longer ones, and those with marks of a sentence, are for people.
        let is_word = |word: &String| {
            word.len() <= 20 && word.chars().all(|c| c.is_ascii_alphanumeric() || " _-".contains(c))
        };
        if words.len() > 1 && words.iter().all(is_word) {
            self.words.insert(words.into_iter().collect::<Vec<_>>().join(" | "));
        }
    }
}

impl<'ast> Visit<'ast> for Vocabulary {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_of_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_of_tests(&item.attrs) {
            self.cases(&item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_of_tests(&item.attrs) {
            self.cases(&item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if is_serde(&item.attrs) {
            let serde = inside(&item.attrs, "serde");
            let rule = set(&serde, "rename_all");
            let fields = fields(&item.fields, rule.as_deref(), has(&serde, "default"));
            self.types.push(format!("{}{fields}", shape(&serde)));
        }
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if is_serde(&item.attrs) {
            let serde = inside(&item.attrs, "serde");
            let rule = set(&serde, "rename_all");
            let of_fields = set(&serde, "rename_all_fields");
            let mut variants: Vec<String> = Vec::new();
            for variant in &item.variants {
                let own = inside(&variant.attrs, "serde");
                let name = variant.ident.to_string();
                let name = set(&own, "rename").unwrap_or_else(|| renamed(&name, rule.as_deref(), true));
                let rule = set(&own, "rename_all").or_else(|| of_fields.clone());
                variants.push(name + &fields(&variant.fields, rule.as_deref(), false));
            }
            variants.sort();
            self.types.push(format!("{}{}", shape(&serde), variants.join(" | ")));
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_macro(&mut self, one: &'ast syn::Macro) {
        let tokens = one.tokens.to_string();
        if one.path.segments.last().is_some_and(|last| last.ident == "json") {
            let pattern = Regex::new(r#""([^"\\]*)" :"#).expect("a pattern");
            let keys: Vec<String> = pattern.captures_iter(&tokens).map(|found| found[1].to_owned()).collect();
            if !keys.is_empty() {
                self.keys.insert(format!("{{{}}}", keys.join(", ")));
            }
        }
        self.text(&tokens);
    }

    fn visit_expr_assign(&mut self, one: &'ast syn::ExprAssign) {
        if let syn::Expr::Index(index) = &*one.left
            && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(key), .. }) = &*index.index
        {
            self.keys.insert(format!("[{}]", key.value()));
        }
        visit::visit_expr_assign(self, one);
    }

    fn visit_attribute(&mut self, attr: &'ast syn::Attribute) {
        match &attr.meta {
            syn::Meta::List(list) => self.text(&list.tokens.to_string()),
            // Comments for readers of the sources.
            syn::Meta::NameValue(_) | syn::Meta::Path(_) => {}
        }
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.literals.insert(text.value());
    }
}
