#![allow(clippy::unwrap_used, reason = "a test may")]

use super::names::{HUGGING_FACE, MODELSCOPE};
use super::*;

fn to_hugging_face(card: &str) -> Rewrite {
    rewrite(card.as_bytes(), Platform::HuggingFace)
}

/// The card Hugging Face gets; `None` if it goes unchanged.
fn rewritten(card: &str) -> Option<String> {
    to_hugging_face(card).bytes.map(|bytes| String::from_utf8(bytes).unwrap())
}

#[track_caller]
fn becomes(card: &str, expected: &str) {
    assert_eq!(rewritten(card).as_deref(), Some(expected), "{card}");
    assert_eq!(rewritten(expected), None, "rewriting twice changes nothing");
}

#[track_caller]
fn stays(card: &str) {
    assert_eq!(to_hugging_face(card).bytes, None, "{card}");
    assert_eq!(to_hugging_face(card).changes, [], "{card}");
}

/// What a card that states nothing but this licence becomes, front matter only.
fn licence(name: &str) -> String {
    let card = format!("---\nlicense: {name}\n---\n");
    let card = rewritten(&card).unwrap_or(card);
    card.strip_prefix("---\nlicense: ").unwrap().strip_suffix("\n---\n").unwrap().to_owned()
}

fn for_modelscope(card: &str) -> String {
    licence_for_creation(Some(card.as_bytes()), Platform::ModelScope).unwrap()
}

#[test]
fn every_id_of_hugging_faces_list_means_itself_and_nothing_else() {
    assert_eq!(HUGGING_FACE.len(), 83);
    for (id, names) in HUGGING_FACE {
        stays(&format!("---\nlicense: {id}\n---\n"));
        stays(&format!("---\nlicense:\n- {id}\n---\n"));
        assert_eq!(licence::recognise(&id.to_uppercase()), Some(*id));
        for name in *names {
            assert_eq!(licence::recognise(name), Some(*id), "{name}");
            assert_eq!(licence::recognise(&format!("The {name} License")), Some(*id), "{name}");
        }
    }
}

#[test]
fn a_licence_keeps_its_id_there_and_back() {
    for (id, _) in HUGGING_FACE {
        let card = format!("---\nlicense: {id}\n---\n# Card\n");
        assert_eq!(rewrite(card.as_bytes(), Platform::ModelScope).bytes, None);
        stays(&card);
        let name = for_modelscope(&card);
        if name != "Other" {
            assert_eq!(licence(&name), *id, "also if the card has only ModelScope's name for it");
        }
    }
}

#[test]
fn every_licence_modelscopes_client_lists_has_an_id() {
    for (id, name) in MODELSCOPE {
        assert_eq!(licence(name), *id);
        assert_eq!(for_modelscope(&format!("---\nlicense: {name}\n---\n")), *name);
    }
    assert_eq!(licence("Other"), "other");
    assert_eq!(licence("Apache License 2.0"), "apache-2.0", "the default of modelscope 1.37");
}

#[test]
fn a_licence_is_recognised_in_any_spelling() {
    let cases = [
        ("apache-2.0", "Apache-2.0|APACHE 2.0|apache2.0|Apache License, Version 2.0|apache_2_0|Apache License v2|Apache 2.0 开源协议"),
        ("mit", "MIT License|The MIT License|MIT License (MIT)|MIT许可证|MIT 协议"),
        ("bsd-3-clause", "BSD 3-Clause|BSD-3-Clause License|BSD 3-Clause \"New\" or \"Revised\" License|New BSD License"),
        ("bsd-2-clause", "BSD 2-Clause|Simplified BSD License"),
        ("gpl-3.0", "GPL v3|GPLv3|GPL-3.0-or-later|GPL-3.0-only|GNU General Public License v3.0|GNU GPL 3|GPL 3.0+|GPL 第3版"),
        ("gpl-2.0", "GPL-2.0|gpl2|GNU General Public License v2.0 or later"),
        ("lgpl-2.1", "LGPL-2.1|GNU Lesser General Public License v2.1 only"),
        ("agpl-3.0", "AGPL-3.0|AGPLv3|GNU Affero General Public License v3.0"),
        (
            "cc-by-4.0",
            "CC BY 4.0|CC-BY-4.0|Creative Commons Attribution 4.0 International|Creative Commons Attribution 4.0 International Public License",
        ),
        (
            "cc-by-nc-sa-4.0",
            "CC BY-NC-SA 4.0|cc_by_nc_sa_4.0|Attribution-NonCommercial-ShareAlike 4.0 International|知识共享 署名-非商业性使用-相同方式共享 4.0",
        ),
        ("cc-by-nc-nd-4.0", "CC BY-NC-ND 4.0|Creative Commons Attribution-NonCommercial-NoDerivatives 4.0"),
        ("cc0-1.0", "CC0|CC0 1.0 Universal|Creative Commons Zero v1.0 Universal|Creative Commons CC0 1.0"),
        ("openrail++", "OpenRAIL++|CreativeML Open RAIL++-M License"),
        ("openrail", "OpenRAIL|OpenRAIL License"),
        ("creativeml-openrail-m", "CreativeML Open RAIL-M|CreativeML OpenRAIL-M"),
        ("llama2", "Llama 2|LLAMA-2|Llama 2 Community License Agreement|Meta Llama 2 Community License"),
        ("llama3", "llama-3|Meta Llama 3 Community License"),
        ("llama3.1", "Llama 3.1 Community License|LLAMA 3.1|Llama3.1"),
        ("llama4", "Llama 4 Community License Agreement"),
        ("gemma", "Gemma|Gemma License|Gemma Terms of Use"),
        ("mpl-2.0", "MPL 2.0|Mozilla Public License 2.0"),
        ("unlicense", "The Unlicense|Unlicense"),
        ("other", "Other|OTHER|其他"),
        ("unknown", "Unknown"),
    ];
    for (id, names) in cases {
        for name in names.split('|') {
            assert_eq!(licence::recognise(name), Some(id), "{name}");
        }
    }
}

#[test]
fn nothing_is_guessed() {
    let names = "Qwen License|cc-by-sa-2.0|CC BY-NC|BSL 1.1|MIT OR Apache-2.0|MIT (code only)|CC BY 4.0 (non-commercial)|Microsoft|Llama|GPL 4\
                 |OpenRAIL+|Apache 1.1|proprietary|License|许可证|+|()|";
    for name in names.split('|') {
        assert_eq!(licence::recognise(name), None, "{name}");
    }
}

#[test]
fn an_unknown_licence_becomes_other_and_keeps_its_name() {
    assert_eq!(licence("Qwen License"), "other\nlicense_name: qwen-license");
    assert_eq!(licence("Tongyi-Qianwen v1.0"), "other\nlicense_name: tongyi-qianwen-v1.0");
    assert_eq!(licence("MIT OR Apache-2.0"), "other\nlicense_name: mit-or-apache-2.0");
    assert_eq!(licence("1.0-custom"), "other\nlicense_name: \"1.0-custom\"", "YAML would read more than text into it");
    assert_eq!(licence("on"), "other\nlicense_name: \"on\"");
    assert_eq!(licence("-x"), "other\nlicense_name: x");
    assert_eq!(licence(r#""a \"b\"""#), "\"other\"\nlicense_name: a-b");
}

#[test]
fn the_quoted_word_null_is_a_name() {
    assert_eq!(licence("'null'"), "'other'\nlicense_name: \"null\"");
    assert_eq!(licence("[null, \"null\"]"), "[null, \"other\"]\nlicense_name: \"null\"");
    becomes("---\nlicense:\n- null\n- 'null'\n---\n", "---\nlicense:\n- null\n- 'other'\nlicense_name: \"null\"\n---\n");
}

#[test]
fn a_name_that_no_slug_can_hold_stays_beside_it() {
    assert_eq!(licence("木兰宽松许可证 第2版"), "other\nlicense_name: custom-license # 木兰宽松许可证 第2版");
    assert_eq!(licence("https://example.com/L#1"), "other\nlicense_name: https-example.com-l-1 # https://example.com/L#1");
    assert_eq!(licence(r#""\u81ea\u5b9a A""#), "\"other\"\nlicense_name: a # 自定 A");
}

#[test]
fn a_name_or_link_the_card_has_is_never_overwritten() {
    becomes(
        "---\nlicense_name: qwen\nlicense: Qwen License\nlicense_link: LICENSE\n---\n",
        "---\nlicense_name: qwen\nlicense: other\nlicense_link: LICENSE\n---\n",
    );
    becomes(
        "---\nlicense: Foo # a\nlicense_link: https://x.y\n---\n",
        "---\nlicense: other # a\nlicense_name: foo\nlicense_link: https://x.y\n---\n",
    );
    stays("---\nlicense: other\nlicense_name: Qwen License\n---\n");
    stays("---\nlicense: other\n---\n");
}

#[test]
fn an_empty_license_name_is_filled() {
    becomes("---\nlicense: Foo\nlicense_name: # todo\n---\n", "---\nlicense: other\nlicense_name: foo # todo\n---\n");
    becomes("---\nlicense: Foo\nlicense_name: ~\n---\n", "---\nlicense: other\nlicense_name: foo\n---\n");
    becomes("---\nlicense: Foo\nlicense_name: \"\"\n---\n", "---\nlicense: other\nlicense_name: \"foo\"\n---\n");
    becomes("---\nlicense: on\nlicense_name: ~\n---\n", "---\nlicense: other\nlicense_name: \"on\"\n---\n");
    becomes("---\nlicense: on\nlicense_name: ''\n---\n", "---\nlicense: other\nlicense_name: 'on'\n---\n");
    becomes("---\nlicense: 木兰\nlicense_name: ''\n---\n", "---\nlicense: other\nlicense_name: custom-license # 木兰\n---\n");
    becomes("---\nlicense_name: \"\" # a\nlicense: 木兰\n---\n", "---\nlicense_name: custom-license # 木兰 # a\nlicense: other\n---\n");
}

#[test]
fn nothing_but_the_value_changes() {
    let cases = [
        ("license: MIT", "license: mit"),
        ("license:\t  MIT \t# as of 2024", "license:\t  mit \t# as of 2024"),
        ("license: \"MIT License\"  # x", "license: \"mit\"  # x"),
        ("license: 'MIT'", "license: 'mit'"),
        ("\"license\" : MIT", "\"license\" : mit"),
        ("license: Apache\n  License\n  2.0 # x", "license: apache-2.0 # x"),
        ("license: >-\n  Apache License\n  2.0", "license: apache-2.0"),
        ("license:\n  # why\n  MIT", "license:\n  # why\n  mit"),
        ("license: [MIT, \"Apache 2.0\",'gpl-3.0' , ]", "license: [mit, \"apache-2.0\",'gpl-3.0' , ]"),
        ("license: [\n  MIT, # one\n  Apache License\n    2.0\n]", "license: [\n  mit, # one\n  apache-2.0\n]"),
        ("license:\n- MIT # a\n# b\n\n- \"Apache 2.0\"", "license:\n- mit # a\n# b\n\n- \"apache-2.0\""),
        ("license: # c\n    - mit\n    - CC BY 4.0", "license: # c\n    - mit\n    - cc-by-4.0"),
    ];
    let around = [
        ("", ""),
        (
            "# top\r\ntags:\n- license: MIT\n",
            "\nlanguage: [en, # x\n  zh]\nmodel-index:\n- name: a\n  license: MIT\nb: 'it''s'\nd: {e: \"f, }\", g: [1], \"h\":\"i]\"}\nj: &k\n  l: m\n  # n\n\n  o: |\n   p",
        ),
    ];
    for (before, after) in around {
        for (from, to) in cases {
            let card = |value: &str| format!("---\n{before}{value}{after}\n---\n\nlicense: MIT\n---\nlicense: MIT\n");
            becomes(&card(from), &card(to));
            let crlf = |value: &str| card(value).replace("\r\n", "\n").replace('\n', "\r\n");
            becomes(&crlf(from), &crlf(to));
            becomes(&format!("\u{feff}{}", card(from)), &format!("\u{feff}{}", card(to)));
        }
    }
}

#[test]
fn an_added_line_takes_the_cards_line_break_and_indent() {
    becomes("---\r\nlicense: Foo\r\n---\r\n", "---\r\nlicense: other\r\nlicense_name: foo\r\n---\r\n");
    becomes("\n---\n  license:\n  - Foo # x\n  a: b\n---", "\n---\n  license:\n  - other # x\n  license_name: foo\n  a: b\n---");
    becomes("---\nlicense: Apache\n  Foo\n---\nx", "---\nlicense: other\nlicense_name: apache-foo\n---\nx");
}

#[test]
fn a_list_says_nothing_twice_because_of_us() {
    becomes("---\nlicense: [Foo, mit, Bar]\n---\n", "---\nlicense: [other, mit]\nlicense_name: foo-and-bar\n---\n");
    becomes("---\nlicense:\n- mit\n- MIT License\n---\n", "---\nlicense:\n- mit\n---\n");
    becomes("---\nlicense:\n- MIT\n- MIT License # c\n---\n", "---\nlicense:\n- mit\n- mit # c\n---\n");
    stays("---\nlicense: [mit, mit]\n---\n");
    let change = to_hugging_face("---\nlicense: [mit, MIT]\n---\n").changes.remove(0);
    assert_eq!(change.to_string(), "README.md: license `MIT` left out (the list holds it already)");
}

#[test]
fn every_repetition_of_the_key_is_rewritten_and_the_last_one_counts() {
    becomes("---\nlicense: MIT\nlicense: GPL v3\n---\n", "---\nlicense: mit\nlicense: gpl-3.0\n---\n");
    assert_eq!(for_modelscope("---\nlicense: MIT\nlicense: GPL v3\n---\n"), "GPL-3.0");
    becomes(
        "---\nlicense: Foo\na: b\nlicense: Bar\nc: d\n---\n",
        "---\nlicense: other\na: b\nlicense: other\nlicense_name: foo-and-bar\nc: d\n---\n",
    );
}

#[test]
fn a_card_without_a_stated_licence_stays() {
    for card in [
        "",
        "# Title\n",
        "---\n---\n",
        "---\ntags: [a]\n---\n",
        "---\nlicense:\n---\n",
        "---\nlicense: null # x\n---\n",
        "---\nlicense: ''\n---\n",
    ] {
        stays(card);
        assert_eq!(to_hugging_face(card).licence, None);
    }
    for front in [
        "license: []",
        "license:\n- ~",
        "License: MIT",
        "licence: MIT",
        "a:\n  license: MIT",
        "a: |\n  license: MIT",
        "# license: MIT",
        "license_x: MIT",
    ] {
        stays(&format!("---\nb: c\n{front}\n---\n"));
    }
    for card in [
        "x\n---\nlicense: MIT\n---\n",
        "--- \nlicense: MIT\n---\n",
        "---\nlicense: MIT\n",
        "---\nlicense: MIT\n----\n",
        "---\nlicense: MIT\n --- \n",
    ] {
        stays(card);
    }
}

#[test]
fn broken_front_matter_stays() {
    let broken = [
        "license: MIT\nb: \"open",
        "license: MIT\nb: [1, 2",
        "license: MIT\nb: c: d",
        "license: MIT\n  b: c",
        "license: MIT\nb",
        "license: MIT: x",
        "license: \"MIT\" x",
        "license: 'MIT",
        "license: [MIT",
        "license: [MIT}",
        "\tlicense: MIT",
        "license: MIT\nb: @x",
        "- license: MIT",
        "{license: MIT}",
        "license: MIT\n...\nb: c",
        "license: MIT # c\n  more",
        "license: - MIT",
        "license: -",
        "license: MIT\n? a: b",
        "license: MIT\n- a: b",
        "license: MIT\nx #y: z",
        "license: MIT\n: b",
        "license: MIT\n[a]: b",
        "license: MIT\nb: 'it''s",
        "license: MIT\nb: \"\\\"",
    ];
    for front in broken {
        stays(&format!("---\n{front}\n---\n"));
    }
    assert_eq!(rewrite(b"---\nlicense: MIT\n---\n\xff", Platform::HuggingFace), Rewrite::default());
}

#[test]
fn a_licence_that_is_not_plain_text_stays() {
    let opaque = [
        "{name: MIT}",
        "[[MIT]]",
        "[{a: MIT}]",
        "[a: MIT]",
        "&x MIT",
        "*x",
        "!!str MIT",
        "\n  name: MIT",
        "\n- name: MIT",
        "\n- - MIT",
        "\n- MIT\n  X",
        "\n- MIT\n - X",
        "[MIT,, X]",
        "[,MIT]",
        "[\"MIT\" X]",
        "[MIT, *x]",
        "[MIT, -]",
        "[- MIT]",
        ">- # c\n  MIT",
        "|",
        "\n- [MIT]",
        "\n- MIT\n-",
        "\n- MIT\n- *x",
        "\n  - MIT\n  日本",
        "\"Apache \\\n  License 2.0\"",
        "\"\\q\"",
    ];
    for value in opaque {
        stays(&format!("---\nlicense: {value}\nb: c\n---\n"));
    }
}

#[test]
fn no_card_however_cut_makes_it_fail() {
    let card = "\u{feff}---\r\n# 注\r\nlicense: [MIT, \"Fo\\u00e9\", '自''x' # c\r\n  , Qwen]\r\nlicense:\n- MIT # d\n日: |\n  é\nlicense_name: ~\nlicense: >-\n  é\n---\n\u{e9}";
    let places: Vec<usize> = card.char_indices().map(|(at, _)| at).collect();
    for &at in &places {
        for stuff in ["", "\n", "'", "\"", "- ", "#", " #", "[", "]", ":", ": ", "é", "\\", "---\n", "  ", "\t", "\r"] {
            let width = card[at..].chars().next().map_or(0, char::len_utf8);
            for rest in [&card[at..], &card[at + width..]] {
                let once = to_hugging_face(&format!("{}{stuff}{rest}", &card[..at]));
                assert_eq!(once.bytes.is_none(), once.changes.is_empty());
                if let Some(bytes) = once.bytes {
                    assert_eq!(rewrite(&bytes, Platform::HuggingFace).bytes, None);
                }
            }
        }
        to_hugging_face(&card[..at]);
    }
}

#[test]
fn every_change_is_told_with_its_reason() {
    let told = |card: &str| to_hugging_face(card).changes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let listed = "Hugging Face accepts only the ids of its own list";
    assert_eq!(told("---\nlicense: MIT License\n---\n"), [format!("README.md: license `MIT License` → `mit` ({listed})")]);
    assert_eq!(
        told("---\nlicense: Qwen License\n---\n"),
        [
            format!("README.md: license `Qwen License` → `other` ({listed}, which has none for it)"),
            "README.md: license_name `qwen-license` added (Hugging Face wants the name of a licence it has no id for)".to_owned(),
        ]
    );
}

#[test]
fn the_report_names_the_licence_as_the_destination_does() {
    let shown = |front: &str, to| rewrite(format!("---\n{front}\n---\n").as_bytes(), to).licence.unwrap();
    assert_eq!(shown("license: Apache License 2.0", Platform::HuggingFace), "apache-2.0");
    assert_eq!(shown("license: apache-2.0", Platform::ModelScope), "Apache-2.0");
    assert_eq!(shown("license: [mit, llama3.1]", Platform::ModelScope), "MIT, llama3.1");
    assert_eq!(shown("license: Qwen License", Platform::HuggingFace), "Qwen License");
    assert_eq!(shown("license: other\nlicense_name: qwen", Platform::ModelScope), "qwen");
}

#[test]
fn a_repository_is_created_with_the_licence_of_its_card() {
    let of = |front: &str| for_modelscope(&format!("---\n{front}\n---\n"));
    assert_eq!(of("license: cc-by-nc-4.0"), "CC-BY-NC-4.0");
    assert_eq!(of("license: Apache License 2.0"), "Apache-2.0");
    assert_eq!(of("license: [llama3.1, mit, apache-2.0]"), "MIT");
    for front in ["license: llama3.1", "license: gemma", "license: Foo", "license: unknown", "license:", "tags: [a]", "license: [x"] {
        assert_eq!(of(front), "Other", "{front}");
    }
    assert_eq!(licence_for_creation(None, Platform::ModelScope).as_deref(), Some("Other"));
    assert_eq!(licence_for_creation(Some(b"---\nlicense: mit\n---\n"), Platform::HuggingFace), None);
}
