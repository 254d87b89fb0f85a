//! The language, by what Go's own `text/template` makes of it.

use serde_json::json;

use super::*;

/// A dialect with one function, in which exclamation marks are not safe.
struct Plain;

impl Dialect for Plain {
    fn functions(&self) -> &'static [&'static str] {
        &["twice", "fail"]
    }

    fn call(&self, name: &str, args: Vec<Given>) -> Result<Given, Wrong> {
        match (name, &args[..]) {
            ("twice", [one]) => {
                let text = one.as_text().ok_or_else(|| bad(name, format!("{} is not a text", one.kind())))?;
                Ok(Given::Safe(text.repeat(2)))
            }
            _ => Err(bad(name, "it never works")),
        }
    }

    fn lacking(&self, _of: &Value, _is_root: bool, name: &str) -> Result<Value, Wrong> {
        Err(Wrong::UnknownField { field: name.to_owned(), known: Vec::new() })
    }

    fn text(&self, value: &Value) -> Result<String, Wrong> {
        Ok(go_text(value).replace('!', "(!)"))
    }

    fn is_strict(&self) -> bool {
        true
    }
}

fn data() -> Value {
    json!({
        "Name": "web.1", "Image": "nginx:1.25", "Replicas": 3, "Ratio": 0.5, "Up": true, "Error": "", "Evil": "a!",
        "Ports": ["80", "443"], "None": [], "Labels": {"zone": "a", "disk": "ssd"}
    })
}

fn fill(template: &str) -> Result<String, Fault> {
    let read = Template::parse(template, &Plain).map_err(|mut faults| faults.swap_remove(0))?;
    read.render(&data(), &Plain, &mut Limits { bytes_max: 10_000, work: 1 << 20 })
}

#[track_caller]
fn check(template: &str, expected: &str) {
    assert_eq!(fill(template).as_deref(), Ok(expected), "{template}");
}

#[test]
fn fields_and_text() {
    check("{{.Name}} is {{ .Image }}", "web.1 is nginx:1.25");
    check("{{.Labels.zone}}{{(.Labels).disk}}{{$.Labels.zone}}", "assda");
    check(
        "{{.Replicas}} {{.Ratio}} {{.Up}} {{.Ports}} {{.Labels}}",
        "3 0.5 true [80 443] map[disk:ssd zone:a]",
    );
    check("{{$.Name}}", "web.1");
    check("a {{- .Name -}} b", "aweb.1b");
    check("a\n\n{{- /* nothing */ -}}\n\tb", "ab");
    check("{{/* nothing }} */}}x\u{a0}{{- \"y\"}}", "x\u{a0}y");
    check("a\n{{ .Name\n}}\nb", "a\nweb.1\nb");
    check(r#"{{"lit\teral\x41\u00e9\101"}}{{`raw\t`}}"#, "lit\teralAéAraw\\t");
    check(
        "{{3}}{{-3}} {{0x1F}} {{0b11}} {{0o17}} {{017}} {{1_000}} {{1.5e1}} {{+2}} {{1e-7}} {{-2e30}}",
        "3-3 31 3 15 15 1000 15 2 1e-07 -2e+30",
    );
    check("{{true}} { }} {{ \"{{\" }}", "true { }} {{");
}

#[test]
fn texts_of_the_data_are_made_safe_and_those_of_the_template_are_not() {
    check("!{{.Evil}}{{\"!\"}}{{println .Evil}}{{print .Evil \"!\"}}", "!a(!)!a(!)\na(!)!");
}

#[test]
fn functions_of_go() {
    check(
        "{{len .Ports}} {{len .Name}} {{index .Labels \"disk\"}} {{index .Ports 1}} {{not .Up}}",
        "2 5 ssd 443 false",
    );
    check(
        "{{print 1 2}} {{print .Name .Image}} {{print 1 .Name 2}} {{println 1 \"a\"}}",
        "1 2 web.1nginx:1.25 1web.12 1 a\n",
    );
    check("{{slice .Name 0 3}} {{slice .Name 4}} {{slice .Ports 1}}", "web 1 [443]");
    check(
        "{{html \"<a b='c'>&\"}} {{js \"a'b<\\n\"}} {{urlquery \"a b/ä~\"}}",
        "&lt;a b=&#39;c&#39;&gt;&amp; a\\'b\\u003C\\u000A a+b%2F%C3%A4~",
    );
    check(r#"{{printf "%s|%5s|%-5s|%q|%.2s" "a" "b" "c" "d\n" "xyz"}}"#, r#"a|    b|c    |"d\n"|xy"#);
    check(
        r#"{{printf "%d|%03d|%+d|%-3d|%x|%X|%o|%b|%c" 7 7 7 7 255 255 8 5 65}}"#,
        "7|007|+7|7  |ff|FF|10|101|A",
    );
    check(r#"{{printf "%v %t %.1f %6.2f %% %x" .Up true 1.25 2.0 "hi"}}"#, "true true 1.2   2.00 % 6869");
    check("{{.Name | twice | printf \"%s-%s\" \"a\"}}", "a-web.1web.1");
    check(
        "{{eq .Name \"a\" \"web.1\"}} {{ne 1 2}} {{lt 1.5 2.5}} {{le \"a\" \"b\"}} {{gt 2 1}} {{ge 1 2}}",
        "true true true true true false",
    );
    check(
        "{{and .Up .Name}} {{and .Error (fail)}} {{or .Error \"x\"}} {{or .Up (fail)}} {{and 1 0}}",
        "web.1  x true 0",
    );
}

#[test]
fn conditions_loops_and_variables() {
    check("{{if .Up}}up{{else}}down{{end}}{{if .Error}}!{{end}}", "up");
    check(r#"{{if eq .Name "x"}}1{{else if ge .Replicas 3}}2{{else}}3{{end}}"#, "2");
    check("{{range .Ports}}[{{.}}]{{end}}{{range .None}}x{{else}}none{{end}}", "[80][443]none");
    check("{{range .Labels}}{{.}}-{{$.Name}};{{end}}", "ssd-web.1;a-web.1;");
    check(
        "{{range $i, $p := .Ports}}{{$i}}={{$p}} {{end}}{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}",
        "0=80 1=443 disk=ssd zone=a ",
    );
    check("{{range $p := .Ports}}{{if eq $p \"443\"}}{{break}}{{end}}{{$p}}{{end}}", "80");
    check("{{range .Ports}}{{if eq . \"80\"}}{{continue}}{{end}}{{.}}{{end}}", "443");
    check(
        "{{with .Labels}}{{.zone}}{{end}}{{with .Error}}x{{else with .Name}}{{.}}{{else}}y{{end}}",
        "aweb.1",
    );
    check("{{with $x := .Labels}}{{$x.zone}}{{end}}", "a");
    check("{{$x := 1}}{{$x}}{{if true}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}", "132");
    check("{{$l := \"\"}}{{range .Ports}}{{$l = print $l . \" \"}}{{end}}{{$l}}", "80 443 ");
}

#[test]
fn templates_in_templates() {
    check("{{define \"a\"}}<{{.}}{{end}}{{template \"a\" .Name}}{{template \"a\" 1}}", "<web.1<1");
    check("{{template \"a\" .Labels}}{{define \"a\"}}{{$.zone}}{{.disk}}{{end}}", "assd");
    check("{{block \"b\" .Labels}}{{.zone}}{{end}}", "a");
    check("{{define \"b\"}}other{{end}}", "");
}

#[track_caller]
fn wrong(template: &str) -> Vec<(String, String)> {
    let faults = match Template::parse(template, &Plain) {
        Err(faults) => faults,
        Ok(read) => {
            let limits = &mut Limits { bytes_max: 10_000, work: 1 << 20 };
            vec![read.render(&data(), &Plain, limits).expect_err(template)]
        }
    };
    faults.into_iter().map(|fault| (template[fault.at].to_owned(), fault.wrong.to_string())).collect()
}

/// Each with the part that is pointed at.
#[test]
fn mistakes_have_a_place() {
    for (template, at, why) in [
        ("a {{.Name", "{{", "`{{` is not closed with `}}`"),
        ("{{if .Name}}x", "{{if .Name}}", "`{{if}}` without `{{end}}`"),
        ("{{range .Ports}}{{else}}x", "{{range .Ports}}", "`{{range}}` without `{{end}}`"),
        ("x{{end}}", "{{end}}", "`{{end}}` without a beginning"),
        ("{{else}}", "{{else}}", "`{{else}}` without an `{{if}}`"),
        ("{{if 1}}{{else}}{{else}}{{end}}", "{{else}}", "a second `{{else}}`"),
        ("{{with 1}}{{else if 1}}{{end}}", "{{else if 1}}", "only `with` may follow this `else`"),
        ("{{ }}", "{{ }}", "nothing between `{{` and `}}`"),
        ("{{.Name | }}", ".Name", "a value is missing"),
        ("{{\"x}}", "\"", "a string is not closed"),
        ("{{`x}}", "`", "a raw string is not closed"),
        ("{{\"\\q\"}}", "\"", "an escape that a string cannot have"),
        ("{{/* x }}", "{{", "a comment is not closed with `*/`"),
        ("{{/* x */ .Name}}", "{{/* x */", "a comment stands alone between `{{` and `}}`"),
        ("{{(.Name}}", "(", "`(` is not closed"),
        ("{{.Name)}}", ")", "`)` without `(`"),
        ("{{'a'}}", "'", "single characters in quotes are not known here: use `\"`"),
        ("{{1x}}", "1x", "this is not a number"),
        ("{{a & b}}", "&", "`&` means nothing inside `{{ }}`"),
        ("{{frob .Name}}", "frob", "no function `frob`"),
        ("{{call .Name}}", "call", "no function `call`"),
        ("{{.Name .Image}}", ".Name", "`.Name` is not a function and takes nothing"),
        ("{{.Name | .Image}}", ".Image", "`.Image` is not a function and takes nothing"),
        ("{{$x}}", "$x", "no variable `$x` here"),
        ("{{if true}}{{$x := 1}}{{end}}{{$x}}", "$x", "no variable `$x` here"),
        ("{{$x = 1}}", "$x", "no variable `$x` here"),
        ("{{$x, $y := 1}}", "$y", "too many variables in front of this"),
        ("{{print ($x := 1)}}", "$x", "too many variables in front of this"),
        ("{{break}}", "{{break}}", "`break` outside of `range`"),
        ("{{template x}}", "{{template x}}", "`template` takes a name in quotes"),
        ("{{template \"x\"}}", "{{template \"x\"}}", "no template of this name is defined here"),
        (
            "{{if 1}}{{define \"x\"}}{{end}}{{end}}",
            "{{define \"x\"}}",
            "`define` stands inside of no other block",
        ),
        ("{{block \"x\"}}{{end}}", "{{block \"x\"}}", "`block` takes a value, such as `.`"),
        ("{{.Name.First}}", ".Name.First", "no field `First` here"),
        ("{{range .Name}}{{end}}", ".Name", "`range` cannot use its arguments: a text is not a list"),
        (
            "{{eq .Replicas \"3\"}}",
            "eq .Replicas \"3\"",
            "`eq` cannot use its arguments: a number and a text do not compare",
        ),
        ("{{len 3}}", "len 3", "`len` cannot use its arguments: a number has no length"),
        ("{{index .Ports 2}}", "index .Ports 2", "`index` cannot use its arguments: the list has no item 2"),
        ("{{slice .Name 9}}", "slice .Name 9", "`slice` cannot use its arguments: it has no such part"),
        (
            "{{printf \"%d\" \"3\"}}",
            "printf \"%d\" \"3\"",
            "`printf` cannot use its arguments: `%d` is not for a text",
        ),
        ("{{printf \"%s\"}}", "printf \"%s\"", "`printf` cannot use its arguments: nothing is left for `%s`"),
        (
            "{{printf \"x\" 1}}",
            "printf \"x\" 1",
            "`printf` cannot use its arguments: there are more values than places for them",
        ),
        (
            "{{printf \"%w\" 1}}",
            "printf \"%w\" 1",
            "`printf` cannot use its arguments: `%w` is not one of %v %s %q %d %x %X %o %b %c %t %f",
        ),
    ] {
        assert_eq!(wrong(template), [(at.to_owned(), why.to_owned())], "{template}");
    }
}

#[test]
fn all_mistakes_are_found_and_none_that_follows_from_another() {
    let text =
        "{{if frob}}{{.Name .Image}}{{else}}{{$y}}{{end}} {{\"x}} {{range $p := nope}}{{$p}}{{end}} {{end}}";
    let found: Vec<String> = wrong(text).into_iter().map(|(at, _)| at).collect();
    assert_eq!(found, ["frob", ".Name", "$y", "\"", "nope", "{{end}}"]);
    assert_eq!(wrong("{{if 1}}{{if 2}} {{.Name").len(), 1);
    assert_eq!(wrong(&"{{frob}}".repeat(1000)).len(), FAULTS_MAX);
}

#[test]
fn no_template_takes_more_than_it_may() {
    let is_too_much = |template: &str| matches!(fill(template), Err(Fault { wrong: Wrong::TooMuch(_), .. }));
    assert!(is_too_much(&"{{.Image}}".repeat(1001)), "10,010 bytes");
    assert!(is_too_much(&format!("{{{{$x := \"x\"}}}}{}", "{{$x = print $x $x}}".repeat(40))));
    assert!(is_too_much(&format!("{{{{$x := \"{}\"}}}}{}", "x".repeat(1000), "{{$y := $x}}".repeat(2000))));
    assert!(is_too_much(&format!("{}{}", "{{if 1}}{{end}}".repeat(20_000), "")));
    assert!(is_too_much("{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}"));
    let columns = "{{printf \"%1000s%1000s%1000s%1000s%1000s%1000s%1000s%1000s%1000s%1000s%1000s\" 1 2 3 4 5 6 7 8 9 10 11}}";
    assert!(is_too_much(&columns.replace(" 1 2", " \"1\" \"2\"").replace("%1000s", "%1000v")));
    let deep = |count: usize| format!("{}{}", "{{if 1}}".repeat(count), "{{end}}".repeat(count));
    assert!(fill(&deep(DEPTH_MAX)).is_ok());
    assert_eq!(wrong(&deep(DEPTH_MAX + 1)), [("{{if 1}}".to_owned(), "too deeply nested".to_owned())]);
    assert_eq!(wrong(&format!("{{{{{}1{}}}}}", "(".repeat(100_000), ")".repeat(100_000))).len(), 1);
    assert_eq!(wrong(&"{{range .Ports}}".repeat(100_000)).len(), 1);
}
