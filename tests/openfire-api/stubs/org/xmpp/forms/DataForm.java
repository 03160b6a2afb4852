package org.xmpp.forms;

public class DataForm {}
