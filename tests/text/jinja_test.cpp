// What kiln's Jinja renders: by hand, and as Python's Jinja does where it is installed.
#include "text/jinja.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/process.h"

namespace kiln {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string jinja;
  std::optional<std::string> text;  // nullopt: an error
};

const Json kVariables{
    {"x", "Ab c"},
    {"n", 7},
    {"list", {"a", "b", "c"}},
    {"messages", {{{"role", "user"}, {"content", " Hé "}}, {{"role", "assistant"}, {"content", "no"}}}},
    {"nothing", nullptr},
    {"yes", true}};

const std::vector<Case> kCases{
    // White space around tags.
    {"a\n{% if yes %}\nb\n{% endif %}\nc\n", "a\nb\nc"},
    {"a\n   {% if yes %}b{% endif %}  \nc\n\n", "a\nb  \nc\n"},
    {"  {% if yes %}  {% if yes %}x{% endif %}{% endif %}", "  x"},
    {"a  {%- if yes -%}  b  {%- endif -%}  c", "abc"},
    {"a\n  {%+ if yes %}b{% endif +%}\nc", "a\n  b\nc"},
    {"a {# gone #} b\n  {# gone #}\nc {#- gone -#} d", "a  b\ncd"},
    {"a\r\n{{ x }}\r\nb", "a\nAb c\nb"},
    {"{{ x }}\n{{- x }}{{ x -}}\n{{ x }}", "Ab cAb cAb cAb c"},
    {"{ {a} } }} %} #}", "{ {a} } }} %} #}"},
    // Literals and operators.
    {"{{ 'a\\n\\t\\\\\\'\\\"\\x41\\u00e9' }}", "a\n\t\\'\"A\xC3\xA9"},
    {"{{ 'a' 'b' \"c\" }}", "abc"},
    {"{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -n }}", "3 3 -4 2 -2 -7"},
    {"{{ 'a' ~ 1 ~ none ~ true ~ missing }}", "a1NoneTrue"},
    {"{{ 1 ~ 2 + 3 ~ 4 }}", "1234"},
    {"{{ 'a' + 'b' ~ 1 + 'c' }}", "ab1c"},
    {"{{ (1, 2)[1] }}{{ [1, 2,][0] }}{{ {'a': 3, 'b': 4}['b'] }}{{ {'a': 5}.a }}", "2145"},
    {"{{ 1 == 1 and not 2 != 2 }} {{ 'b' in list }} {{ 'd' not in list }} {{ 'b' in x }} {{ 'role' in messages[0] }}",
     "True True True True True"},
    {"{{ 1 < 2 }} {{ 2 <= 1 }} {{ 'a' > 'b' }} {{ 'b' >= 'b' }}", "True False False True"},
    {"{{ '' or 'x' }} {{ 'y' and 'z' }} {{ missing or 0 }} {{ not nothing }}", "x z 0 True"},
    {"{{ 'a' if yes else 'b' }}{{ 'a' if no else 'b' }}{{ 'a' if no }}", "ab"},
    {"{{ 'a' if no else 'b' if yes else 'c' }}", "b"},
    // Items and slices.
    {"{{ messages[0].role }} {{ messages[-1]['content'] }} {{ messages[5] }} {{ messages[0].missing }}", "user no  "},
    {"{{ x[0] }}{{ x[-1] }}{{ x[1:3] }}{{ x[:-2] }}{{ x[::-1] }}", "Acb Abc bA"},
    {"{% for m in messages[1:] %}{{ m.role }}{% endfor %} {% for m in messages[::-1] %}{{ m.role[0] }}{% endfor %}",
     "assistant au"},
    {"{{ messages[0].content[1:3] }}", "H\xC3\xA9"},
    // Filters, tests, methods.
    {"{{ ' a ' | trim }}|{{ messages[0]['content'] | trim }}|{{ 'xax' | trim('x') }}", "a|H\xC3\xA9|a"},
    {"{{ 'a' + ' b ' | trim + 'c' }}", "abc"},
    {"{{ list | length }} {{ x | count }} {{ missing | length }} {{ messages[0] | length }}", "3 4 0 2"},
    {"{{ x | upper }} {{ x | lower }} {{ x | capitalize }} {{ n | string + 'a' }} {{ x | safe }}",
     "AB C ab c Ab c 7a Ab c"},
    {"{{ list | join(', ') }} {{ list | join }} {{ list | first }} {{ list | last }} {{ x | list | join('-') }}",
     "a, b, c abc a c A-b- -c"},
    {"{{ missing | default('d') }} {{ '' | default('d') }} {{ '' | d('e', true) }} {{ missing | default }}", "d  e "},
    {"{{ x | replace('b', 'BB') }} {{ x.replace('A', '') }}", "ABB c b c"},
    {"{{ (messages | selectattr('role', 'equalto', 'user') | list)[0].content }}|"
     "{{ messages | rejectattr('role', 'equalto', 'user') | list | length }}",
     " H\xC3\xA9 |1"},
    {"{{ missing is defined }} {{ missing is undefined }} {{ x is not defined }} {{ nothing is none }} {{ yes is true "
     "}} "
     "{{ yes is false }}",
     "False True False True True False"},
    {"{{ x is string }} {{ n is number }} {{ messages[0] is mapping }} {{ list is iterable }} {{ list is sequence }} "
     "{{ yes is boolean }} {{ n is string }} {{ n is iterable }}",
     "True True True True True True False False"},
    {"{{ n is odd }} {{ n is even }} {{ n is in([7]) }} {{ n is eq(7) }} {{ n is ne(7) }}",
     "True False True True False"},
    {"{{ not n is odd }} {{ n is odd and n is not none }}", "False True"},
    {"{{ ' a '.strip() }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'xxaxx'.lstrip('x') }}|{{ "
     "'a\\n\\n'.rstrip('\\n') }}",
     "a|a | a|axx|a"},
    {"{{ 'a-b-c'.split('-')[-1] }} {{ 'a-b-c'.split('-', 1)[1] }} {{ ' a  b '.split() | join('|') }}", "c b-c a|b"},
    {"{{ x.startswith('Ab') }} {{ x.endswith(('d', 'c')) }} {{ x.upper() }} {{ x.lower() }} {{ '-'.join(list) }}",
     "True True AB C ab c a-b-c"},
    {"{{ messages[0].get('role') }} {{ messages[0].get('x') }} {{ messages[0].get('x', 1) }} "
     "{% for k, v in messages[1].items() %}{{ k }}={{ v }};{% endfor %} {{ messages[0].keys() | join }}",
     "user None 1 role=assistant;content=no; rolecontent"},
    // Statements.
    {"{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}"
     "{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}",
     "10TrueFalse221FalseTrue;21FalseTrue210TrueFalse;"},
    {"{% for m in messages if m.role != 'user' %}{{ loop.index }}{{ m.content }}{% endfor %}", "1no"},
    {"{% for m in [] %}x{% else %}none{% endfor %}{% for m in list %}{{ m }}{% else %}none{% endfor %}", "noneabc"},
    {"{% for a in list %}{% if a == 'b' %}{% continue %}{% endif %}{{ a }}{% endfor %}"
     "{% for a in list %}{% if a == 'b' %}{% break %}{% endif %}{{ a }}{% endfor %}",
     "aca"},
    {"{% for a in list %}{% for b in list %}{% if b == 'b' %}{% break %}{% endif %}{{ b }}{% endfor %}{{ a }}{% endfor "
     "%}",
     "aaabac"},
    {"{% set a = 1 %}{% for b in list %}{% set a = 2 %}{% endfor %}{{ a }}{% if yes %}{% set a = 3 %}{% endif %}{{ a "
     "}}",
     "13"},
    {"{% set ns = namespace(a=1, b='x') %}{% for b in list %}{% set ns.a = ns.a + 1 %}{% endfor %}{{ ns.a }}{{ ns.b }}",
     "4x"},
    {"{% set a, b = 1, 2 %}{{ a }}{{ b }}{% for k, v in [(1, 2), (3, 4)] %}{{ k + v }}{% endfor %}", "1237"},
    {"{% set a %}x{{ n }}{% endset %}{{ a + 'y' }}", "x7y"},
    {"{% if no %}a{% elif nothing %}b{% elif yes %}c{% else %}d{% endif %}{% if no %}a{% elif no %}b{% else %}d{% "
     "endif %}",
     "cd"},
    {"{% macro f(a, b='B', c=n) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, c=2) }} {{ f('x', 'y') | trim "
     "}}",
     "1B7 1B2 xy7"},
    {"{% macro f(i) %}{{ i }}{% if i > 0 %}{{ f(i - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "3210"},
    {"{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(2, 4) %}{{ i }}{% endfor %}", "01223"},
    {"{% generation %}a{{ x }}{% endgeneration %}", "aAb c"},
    // What Jinja refuses, too.
    {"{{ x", std::nullopt},
    {"{% if yes %}a", std::nullopt},
    {"{% endif %}", std::nullopt},
    {"{% for in list %}{% endfor %}", std::nullopt},
    {"{% set = 1 %}", std::nullopt},
    {"{{ 'a }}", std::nullopt},
    {"{{ (1 }}", std::nullopt},
    {"{{ 1 + }}", std::nullopt},
    {"{{ 1 ! 2 }}", std::nullopt},
    {"{# a", std::nullopt},
    {"{{ missing.a }}", std::nullopt},
    {"{{ missing[0] }}", std::nullopt},
    {"{{ messages.role.a }}", std::nullopt},
    {"{{ 'a' + 1 }}", std::nullopt},
    {"{{ 'a' < 1 }}", std::nullopt},
    {"{{ 1 in 2 }}", std::nullopt},
    {"{{ 1 // 0 }}", std::nullopt},
    {"{% for a in 3 %}{% endfor %}", std::nullopt},
    {"{% set a, b = 1, 2, 3 %}", std::nullopt},
    {"{{ f() }}", std::nullopt},
    {"{{ x | nofilter }}", std::nullopt},
    {"{{ x is notest }}", std::nullopt},
    {"{{ x.nomethod() }}", std::nullopt},
    {"{{ ''.split('') }}", std::nullopt},
    {"{{ raise_exception('no') }}", std::nullopt},
};

std::string error_of(const std::string& jinja) {
  try {
    return "rendered: " + JinjaTemplate(jinja).render(kVariables);
  } catch (const JinjaError& error) {
    return error.what();
  }
}

TEST(Jinja, Renders) {
  for (const auto& [jinja, text] : kCases) {
    if (text) {
      try {
        EXPECT_EQ(JinjaTemplate(jinja).render(kVariables), *text) << jinja;
      } catch (const JinjaError& error) {
        ADD_FAILURE() << jinja << ": " << error.what();
      }
    } else {
      EXPECT_THAT(error_of(jinja), Not(HasSubstr("rendered"))) << jinja;
    }
  }
}

TEST(Jinja, PythonRendersTheSame) {
  Json cases = Json::array();
  for (const auto& [jinja, text] : kCases) {
    Json one = kVariables;
    one["jinja"] = jinja;
    one["text"] = text ? Json(*text) : Json(nullptr);
    cases.push_back(std::move(one));
  }
  const std::string script = std::string(KILN_SOURCE_DIR) + "/tests/oracles/check_chat_template.py";
  const testing::Outcome outcome = testing::run({"python3", script, "-"}, format_json(cases));
  constexpr int kNotFound = 127, kNothingToRunWith = 77;
  if (outcome.code == kNotFound || outcome.code == kNothingToRunWith) GTEST_SKIP() << "jinja2 is not installed";
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST(Jinja, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(error_of("{{ x"), "a tag without end in {{ x");
  EXPECT_EQ(error_of("{% if yes %}a"), "the end stands where {% endif %} is expected");
  EXPECT_EQ(error_of("{{ x y }}"), "y stands where the tag is expected to end");
  EXPECT_EQ(error_of("{{ f(1 2) }}"), "2 stands where , is expected");
  EXPECT_EQ(error_of("{% import 'a' %}"), "import begins a block that is not understood");
  EXPECT_EQ(error_of("{{ strftime_now('%Y') }}"), "the function \"strftime_now\" is not understood");
  EXPECT_EQ(error_of("{{ x | tojson }}"), "the filter \"tojson\" is not understood");
  EXPECT_EQ(error_of("{{ missing.a }}"), "the item a of what is undefined");
  EXPECT_THROW(JinjaTemplate("{{ raise_exception('no') }}").render(kVariables), JinjaRefusal);
}

TEST(Jinja, WorkMayBeInProportionToTheTexts) {
  const std::string text(1'000'000, 'x');
  EXPECT_EQ(JinjaTemplate("{{ '<' + m + '>' + (m | trim) | replace('y', 'z') }}").render({{"m", text}}),
            "<" + text + ">" + text);
}

TEST(Jinja, WorkHasAnEnd) {
  EXPECT_EQ(error_of("{% for i in range(99999999) %}a{% endfor %}"), "it takes more work than is allowed here");
  EXPECT_EQ(error_of("{% for i in range(3000) %}{% for j in range(3000) %}{% endfor %}{% endfor %}"),
            "it takes more work than is allowed here");
  EXPECT_EQ(error_of("{% set ns = namespace(a='x') %}{% for i in range(99) %}{% set ns.a = ns.a + ns.a %}{% endfor %}"),
            "it takes more work than is allowed here");
  const std::string many(30000, 'x');
  EXPECT_EQ(error_of("{{ '" + many + "' | replace('x', '" + std::string(300, 'y') + "') }}"),
            "a string that is too long");
  EXPECT_EQ(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "macros call one another without end");
  constexpr std::size_t kDeep = 10000;
  const std::string open(kDeep, '('), close(kDeep, ')');
  EXPECT_EQ(error_of("{{ " + open + "1" + close + " }}"), "its parts are too deep within one another");
  std::string blocks;
  for (std::size_t i = 0; i < kDeep; ++i) blocks += "{% if yes %}";
  EXPECT_EQ(error_of(blocks), "its parts are too deep within one another");
}

}  // namespace
}  // namespace kiln
