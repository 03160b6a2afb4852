package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads JSON (the status, the platform's answers): objects, arrays, strings, numbers as double, booleans, null. */
final class Json {

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Value parse(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.space();
        if (json.at != text.length()) {
            throw json.wrong("end");
        }
        return new Value(value);
    }

    /** A value that can be walked without casts; a path that leads nowhere gives an absent value. */
    static final class Value {

        private final Object value;

        private Value(Object value) {
            this.value = value;
        }

        /** Follows names and list positions: {@code get("platform", "child", "pid")}, {@code get("items", 0)}. */
        Value get(Object... path) {
            Object next = value;
            for (Object step : path) {
                if (next instanceof Map && step instanceof String) {
                    next = ((Map<?, ?>) next).get(step);
                } else if (next instanceof List && step instanceof Integer && (int) step < ((List<?>) next).size()) {
                    next = ((List<?>) next).get((int) step);
                } else {
                    next = null;
                }
            }
            return new Value(next);
        }

        boolean present() {
            return value != null;
        }

        String text() {
            return String.valueOf(value);
        }

        boolean isTrue() {
            return Boolean.TRUE.equals(value);
        }

        long number() {
            if (value instanceof Double) {
                return Math.round((Double) value);
            }
            throw new AssertionError("not a number: " + value);
        }

        List<Value> list() {
            List<Value> items = new ArrayList<>();
            if (value instanceof List) {
                ((List<?>) value).forEach(item -> items.add(new Value(item)));
            }
            return items;
        }

        @Override
        public String toString() {
            return text();
        }
    }

    private Object value() {
        space();
        char c = peek();
        if (c == '{') {
            return object();
        }
        if (c == '[') {
            return array();
        }
        if (c == '"') {
            return string();
        }
        int start = at;
        while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) {
            at++;
        }
        String word = text.substring(start, at);
        switch (word) {
            case "true":
                return true;
            case "false":
                return false;
            case "null":
                return null;
            default:
                return Double.valueOf(word);
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> found = new LinkedHashMap<>();
        expect('{');
        space();
        while (peek() != '}') {
            space();
            String name = string();
            space();
            expect(':');
            found.put(name, value());
            space();
            if (peek() == ',') {
                at++;
            }
            space();
        }
        at++;
        return found;
    }

    private List<Object> array() {
        List<Object> found = new ArrayList<>();
        expect('[');
        space();
        while (peek() != ']') {
            found.add(value());
            space();
            if (peek() == ',') {
                at++;
            }
            space();
        }
        at++;
        return found;
    }

    private String string() {
        StringBuilder found = new StringBuilder();
        expect('"');
        while (peek() != '"') {
            char c = text.charAt(at++);
            if (c != '\\') {
                found.append(c);
                continue;
            }
            char escape = text.charAt(at++);
            if (escape == 'u') {
                found.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                at += 4;
            } else {
                int which = "bfnrt".indexOf(escape);
                found.append(which < 0 ? escape : "\b\f\n\r\t".charAt(which));
            }
        }
        at++;
        return found.toString();
    }

    private void space() {
        while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
            at++;
        }
    }

    private char peek() {
        if (at >= text.length()) {
            throw wrong("more");
        }
        return text.charAt(at);
    }

    private void expect(char c) {
        if (peek() != c) {
            throw wrong("'" + c + "'");
        }
        at++;
    }

    private AssertionError wrong(String expected) {
        return new AssertionError("not JSON, expected " + expected + " at " + at + ": " + text);
    }
}
