"""Page of a report."""


def read_page(report):
    return (report / "index.html").read_text(encoding="utf-8")


def test_the_page_agrees_with_the_marker(report, marker):
    page = read_page(report)
    for claim in marker["claims"].values():
        assert claim["verdict"] in page
        assert claim["trained"]["figure"].replace("=>", "=&gt;") in page
    assert "C8" in page


def test_all_links_of_the_page_have_a_target(report):
    page = read_page(report)
    for link in {part.split('"')[0] for part in page.split('href="')[1:]}:
        assert (f'id="{link[1:]}"' in page) if link.startswith("#") else (report / link).is_file(), link
