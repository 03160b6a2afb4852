package com.example;

public class Elsewhere {}
