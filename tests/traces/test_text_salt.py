from imaxproxy.traces import TextSalt, TraceRow

SYSTEM = {"role": "system", "content": "You are."}


def user(content: object) -> dict:
    return {"role": "user", "content": content}


def texts(row: TraceRow) -> list[object]:
    return [message["content"] for message in row.messages]


def test_the_first_user_turn_is_marked_and_what_stands_before_it_is_shared() -> None:
    row = TraceRow("a", session_id="s", messages=(SYSTEM, user("hi"), user("more")))
    system, first, second = texts(TextSalt("x").marked(row, "s"))
    assert (system, second) == ("You are.", "more")
    assert str(first).endswith("] hi")


def test_one_mark_for_a_tree_of_sessions_and_another_salt_another_mark() -> None:
    salt = TextSalt("x")
    row = TraceRow("a", text_input="hi")
    main = salt.marked(row, "s").text_input
    agent = salt.marked(TraceRow("b", session_id="t", parent_session_id="s", text_input="hi"), "s").text_input
    assert main == agent != salt.marked(row, "u").text_input
    assert TextSalt("y").marked(row, "s").text_input != main
    assert TextSalt("x").marked(row, "s").text_input == main


def test_of_deltas_only_the_first_is_marked() -> None:
    """It stays in the history of those that follow."""
    salt = TextSalt("x")
    rows = [
        TraceRow(str(turn), session_id="s", messages=(user("hi"),), messages_mode="delta", turn=turn)
        for turn in range(2)
    ]
    first, second = (salt.marked(row, "s") for row in rows)
    assert first != rows[0]
    assert second == rows[1]
    full = TraceRow("9", session_id="s", messages=(user("hi"),))
    assert salt.marked(full, "s").messages == first.messages


def test_every_kind_of_text_is_marked() -> None:
    salt = TextSalt("x")
    assert str(salt.marked(TraceRow("a", prompt="hi"), "s").prompt).endswith("] hi")
    assert salt.marked(TraceRow("b", prompt=(1, 2)), "s").prompt == (1, 2)  # ids: nobody knows what a mark would be
    body = salt.marked(TraceRow("c", body={"messages": [user([{"type": "image_url"}])], "n": 1}), "s").body
    assert body is not None
    assert [part["type"] for part in body["messages"][0]["content"]] == ["text", "image_url"]
    for name in ("prompt", "input"):
        changed = salt.marked(TraceRow(name, body={name: "hi"}), "s").body
        assert changed is not None
        assert changed[name].endswith("] hi")
    plain = TraceRow("d", input_length=5)
    assert salt.marked(plain, "s") is plain
